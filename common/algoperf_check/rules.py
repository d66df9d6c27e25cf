"""The rules that `algoperf check` knows, as a table.

Sections 1 to 12, and 17 for models, are read in the code; 13 to 16, and 18 for models, need a run;
only missing functions are read, too.
`docs/rules.md` describes them, and those that only people can check.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from algoperf_check.findings import Level, Rule

_Row = tuple[str, Level, str, str]
"""Number, level, title, remedy. The reason is given per section."""


def _section(why: str, *rows: _Row) -> list[Rule]:
    return [Rule(number, title, level, why, remedy) for number, level, title, remedy in rows]


_GENERIC = (
    "Decide by what the algorithm needs to know of any workload: parameter shapes and types, loss type, progress."
)

_TABLE = [
    *_section(
        "An algorithm has to work on workloads it has never seen; one that recognises them does not show that.",
        ("1.1", "error", "The name of a workload in code",
         f"Remove it: names belong only in get_batch_size. {_GENERIC}"),
        ("1.2", "error", "Use of the workload's class, module or text form", _GENERIC),
        ("1.8", "error", "A member of the workload that is not in the API",
         "Use the public members of algoperf.spec.Workload."),
        ("1.9", "error", "Access to command line, frames or objects of the harness", "Use the arguments of the API."),
        ("1.10", "warning", "The name of a workload inside other names or texts",
         "Name things by what they do; a human will ask what this one is for."),
        ("1.12", "warning", "A fixed number that may tell workloads apart",
         "Say in a comment why it holds on any workload, as thresholds on shapes and ranks (ndim) do. "
         "A human will ask."),
    ),
    *_section(
        "What was tuned or computed for a workload beforehand is work that the benchmark cannot count.",
        ("2.1", "error", "A table with an entry per workload",
         "Use one set of hyperparameters for all workloads, or derive them from the workload while training."),
        ("2.2", "warning", "A data file in the folder",
         "Remove it, or say in the README where it comes from: a learned optimizer's weights may be fine, a "
         "model's are not."),
        ("2.3", "warning", "A file is read", "Put constants into the code. A human will look at everything else."),
        ("2.4", "warning", "A large block of data in the code", "Say in a comment what it is and how it was made."),
    ),
    *_section(
        "The batch size is the one thing that may be chosen per workload, because memory limits it.",
        ("3.1", "error", "get_batch_size returns something other than an integer", "Return integers from it."),
        ("3.2", "error", "get_batch_size has side effects", "Compute the size and return it; store nothing."),
    ),
    *_section(
        "Model, loss and evaluation are what all submissions have in common; times are comparable only while they"
        " stay as they are.",
        ("4.1", "error", "The workload is changed", "Keep your own state in the optimizer state."),
        ("4.2", "error", "Something inside an imported package is changed",
         "Write your own subclass or function, and call that."),
        ("4.3", "error", "The model is changed",
         "Change parameter values only; dropout rates go through model_fn(dropout_rate=...)."),
        ("4.4", "error", "Internals of the harness are imported",
         "Import algoperf.spec, jax_sharding_utils, pytorch_utils, random_utils and blocks only."),
        ("4.5", "error", "Programs made at run time", "Write them as plain code, so that a reader can see them."),
        ("4.6", "warning", "Hooks, layers or attributes on the model",
         "Change nothing with them, and say in a comment what they read: a human will look."),
        ("4.7", "warning", "Names made at run time", "Write out what is meant, so that a reader can see it."),
    ),
    *_section(
        "Training sees the batches of the input queue and nothing else; validation and test data decide who wins.",
        ("5.1", "error", "Input pipeline or evaluation of the workload is called", "Take batches from input_queue."),
        ("5.2", "error", "A split other than the training split is asked for", "Take batches from input_queue."),
        ("5.3", "error", "A data set library is imported", "Take batches from input_queue."),
    ),
    *_section(
        "While the clock stands still for an evaluation, nothing of a submission may make progress.",
        ("6.1", "error", "Threads, processes or asynchronous code", "Compute in the functions of the API."),
        ("6.2", "error", "Code that runs later", "Call it in the functions of the API."),
        ("6.3", "warning", "Host callbacks or loaders beside the device",
         "Compute on the device if you can, and say in a comment why not: a human will look."),
    ),
    *_section(
        "The benchmark compares algorithms, not how fast kernels, compilers and framework settings are.",
        ("7.1", "error", "Custom kernels or native code", "Use the public functions of the framework."),
        ("7.2", "error", "Settings of the framework are changed", "Remove the change: the harness sets them."),
        ("7.3", "error", "Options are passed to the compiler", "Use plain torch.compile or jax.jit."),
        ("7.4", "warning", "Private parts of the framework are used", "Use the public functions of the framework."),
        ("7.5", "warning", "A mode or back end of the compiler is chosen", "Use plain torch.compile or jax.jit."),
    ),
    *_section(
        "Environment variables control libraries and say where a process runs; both belong to the harness.",
        ("8.1", "error", "The environment is changed", "Remove the change: the harness sets it."),
        ("8.2", "warning", "The environment is read",
         "Read only the variables of torchrun (RANK, WORLD_SIZE ...), and put other values into the code."),
    ),
    *_section(
        "The ruleset says who chooses hyperparameters: the harness from one search space, or the submission itself.",
        ("9.1", "error", "A search space in the self-tuning ruleset", "Remove it, or file it under external_tuning."),
        ("9.2", "warning", "A search space that self-tuning ignores",
         "Remove it before you file it under self_tuning."),
        ("9.3", "error", "No search space in the external tuning ruleset",
         "Add a tuning_search_space.json beside the code; docs/submissions.md shows both forms."),
        ("9.4", "error", "A list of points of the wrong length",
         "Give exactly as many points as a study has trials, or an object of dimensions."),
        ("9.5", "error", "A search space that cannot be used", "Fix the file; docs/submissions.md shows both forms."),
        ("9.6", "warning", "More than one search space", "Remove all but one: it serves all workloads."),
        ("9.7", "warning", "A hyperparameter that the search space does not have", "Add it there, or drop it here."),
        ("9.8", "warning", "A hyperparameter that the code never reads",
         "Read it, or say in the README why it is there. Without it, other points would be drawn."),
        ("9.9", "warning", "Hyperparameters are read under self-tuning",
         "Use constants of your own: hyperparameters is None there."),
    ),
    *_section(
        "All submissions run on the same versions of the same libraries, installed without their help.",
        ("10.1", "error", "A line that pip cannot read", "Write one requirement per line: name==version  # what for."),
        ("10.2", "warning", "A requirement that differs from a pinned version",
         "Try the submission with the pinned version: official runs have that."),
        ("10.3", "warning", "A requirement that is not a release on a package index",
         "Depend on a release, or copy the code into the folder if its licence allows it."),
        ("10.4", "warning", "A requirement without a comment", "Say after # what it is and why it is needed."),
        ("10.5", "warning", "A requirement without an exact version", "Pin it: name==version."),
        ("10.6", "warning", "An import that no requirement provides", "Add the package to requirements.txt."),
        ("10.7", "error", "An option of pip", "Remove it: the organisers choose where packages come from."),
        ("10.9", "warning", "Code of the pmap era", "Use jax.jit on global arrays; docs/compatibility.md says more."),
        ("10.10", "warning", "A module of its own that is imported by the wrong name",
         "Write its name from the submission's folder on, or a relative import."),
    ),
    *_section(
        "A run is a closed system: it has no network, and clock and records belong to the harness.",
        ("11.1", "error", "Network access", "Remove it: official runs have no network."),
        ("11.2", "error", "Waiting",
         "Remove it: waiting moves work out of the clock or an evaluation to another place."),
        ("11.3", "error", "The clock is changed", "Remove the change; train_state tells the time that counts."),
        ("11.4", "error", "Records of the harness are changed", "Treat train_state and eval_results as read-only."),
        ("11.5", "warning", "Files are written or removed",
         "Remove it: official runs cannot write. Log with workload.metrics_logger."),
        ("11.6", "error", "The process is ended or controlled",
         "Raise algoperf.spec.TrainingCompleteError to end training."),
    ),
    *_section(
        "Others must be able to read, run and reuse a submission, and know what is new in it.",
        ("12.1", "error", "A Python file that cannot be read", "Fix it; Python 3.11 must be able to compile it."),
        ("12.2", "warning", "No Apache 2.0 licence found", "Add a file LICENSE, or a header in submission.py."),
        ("12.3", "error", "A licence other than Apache 2.0",
         "Put it under Apache 2.0, if its code allows that: all submissions are."),
        ("12.4", "error", "A submission_info.yml that cannot be read",
         "Fix it, or copy the one of submissions/template and fill it in."),
        ("12.5", "warning", "Facts about the submission are missing or differ", "Complete submission_info.yml."),
        ("12.6", "warning", "The code equals that of another submission", "Say in the README what is new."),
        ("12.9", "warning", "Texts of the template are left", "Replace them: the leaderboard would show them."),
    ),
    *_section(
        "The harness calls the functions of the API by their signatures, on every workload, unattended.",
        ("13.1", "error", "It cannot be loaded",
         "Define the functions that docs/submissions.md lists, in a file that can be imported without data."),
        ("13.2", "error", "A function does not take its arguments", "Use the names that docs/submissions.md lists."),
        ("13.3", "error", "No usable batch size",
         "Return a positive multiple of the number of devices from get_batch_size."),
        ("13.4", "warning", "get_eval_batch_size is never called", "Remove it: the benchmark chooses how to evaluate."),
        ("13.5", "error", "It fails on a tiny workload", "Handle all loss types, pairs, masks, models without state."),
        ("13.6", "error", "Its process died or did not finish", "Raise errors; never exit, never wait."),
        ("13.7", "error", "It fails on a workload at scale mini", "Run `algoperf smoke` and read the log."),
        ("13.8", "warning", "It misses a target at scale mini",
         "Look in the log how the metric went, and try other settings: baselines reach it."),
    ),
    *_section(
        "Model and records are the harness's; a submission changes the values of parameters and nothing else.",
        ("14.1", "error", "Parameters or model state change their structure", "Keep names, shapes and dtypes."),
        ("14.2", "error", "Parameters or metrics are not finite",
         "Look for divisions by 0, roots, logarithms, or too large a rate in the first six steps. Clip gradients, "
         "or add an epsilon."),
        ("14.3", "error", "eval_results is modified", "Copy what you want to keep."),
        ("14.4", "error", "The harness saw a breach of the rules",
         "Remove what the message names; docs/integrity.md says what is watched."),
        ("14.5", "warning", "No parameter changes",
         "Look at the updates and gradients: 0, or NaN that something hides? A rate that starts at 0 must grow soon."),
    ),
    *_section(
        "A result counts if it is reproducible: from the same seed, after an interruption, on a workload without "
        "a name.",
        ("15.1", "error", "The same seed gives a different result",
         "Draw random numbers from the rng argument or global generators."),
        ("15.2", "error", "Its state cannot be saved and restored",
         "Let init_optimizer_state make everything that is not data; docs/records.md says what is."),
        ("15.3", "error", "It trains differently after restoring a checkpoint",
         "Keep what steps share in the optimizer state, and nothing in globals."),
        ("15.4", "error", "It trains differently under other names",
         "Decide by shapes and types, never by the names of workload and parameters, or by targets."),
        ("15.5", "warning", "It trains differently if parameters come in another order",
         "Say in a comment if random numbers are drawn per parameter, which is fine. Else let no update depend on the "
         "order: a human will look."),
    ),
    *_section(
        "A submission must fit into the memory of the benchmark's devices on all scored workloads.",
        ("16.1", "error", "Its state is estimated not to fit", "Keep less per parameter, or split it over devices."),
        ("16.2", "warning", "Its state leaves little room", "Try it at full scale: activations need memory, too."),
    ),
    *_section(
        "The model track asks which model learns a data set fastest, from nothing but its training split.",
        ("17.1", "error", "Weights from elsewhere", "Initialise the model at random, with the harness's seed."),
        ("17.2", "error", "A model submission reads a file", "Put constants into the code."),
        ("17.3", "error", "The labels are looked for", "Use the inputs that the model is given, and nothing else."),
    ),
    *_section(
        "Organisers rebuild the model of a stranger from its code and a checkpoint, and evaluate it away from labels.",
        ("18.1", "error", "It does not build or train",
         "Correct what the message names; docs/model-track.md says what build(task) returns."),
        ("18.2", "error", "It trains differently after restoring a checkpoint",
         "Keep all state of the model in parameters, buffers (PyTorch) or variables (JAX)."),
        ("18.3", "error", "It cannot be evaluated alone",
         "Let the outputs of a row depend on its inputs and the parameters only, in evaluations."),
    ),
]  # fmt: skip

RULES: Mapping[str, Rule] = MappingProxyType({rule.number: rule for rule in _TABLE})
