"""What names and attributes refer to: dotted names of packages, objects of the API, definitions of the submission."""

from __future__ import annotations

import ast
import builtins

from algoperf_check.static.batch_size import BatchSizeCode
from algoperf_check.static.constants import Constants
from algoperf_check.static.project import File, Project
from algoperf_check.static.scopes import FUNCTIONS, Binding, Function, Scope, parameters

WORKLOAD, MODEL, MODEL_PART, HYPERPARAMETERS = "<workload>", "<model>", "<model part>", "<hyperparameters>"
TRAIN_STATE, EVAL_RESULTS, INPUT_QUEUE, WORKLOAD_NAME = "<train_state>", "<eval_results>", "<input_queue>", "<name>"

_BY_NAME = {
    "workload": WORKLOAD,
    "current_param_container": MODEL,
    "model_params": MODEL,
    "hyperparameters": HYPERPARAMETERS,
    "train_state": TRAIN_STATE,
    "eval_results": EVAL_RESULTS,
    "input_queue": INPUT_QUEUE,
    "workload_name": WORKLOAD_NAME,
}
# The API passes these by position, so their parameters may have any name.
_BY_POSITION: dict[str, tuple[str | None, ...]] = {
    "get_batch_size": (WORKLOAD_NAME,),
    "get_eval_batch_size": (WORKLOAD_NAME,),
    "init_optimizer_state": (WORKLOAD, MODEL, None, HYPERPARAMETERS),
    "data_selection": (WORKLOAD, INPUT_QUEUE, None, MODEL, None, HYPERPARAMETERS),
}
_API = (*_BY_POSITION, "update_params", "prepare_for_eval")
_NAMESAKES = (HYPERPARAMETERS, TRAIN_STATE)
_KEPT = "workload"  # also recognised by the name of the attribute or key that holds it
_PARTS = ("modules", "named_modules", "children", "named_children")
_ROUNDS = 6
GETTERS = ("getattr", "object.__getattribute__")


class Names:
    """Resolves expressions to dotted names.

    A name begins with an object of the API (`<workload>.step_hint`), a package (`os.environ`), or a file of the
    submission that defines what follows the colon (`helper:Muon.step`). If a name has several values, the first known
    one counts.
    """

    def __init__(self, project: Project, constants: Constants, batch_code: BatchSizeCode) -> None:
        self._project, self._constants, self._batch_code = project, constants, batch_code
        self._roles: dict[tuple[ast.AST, str], str] = {}
        self._attributes: dict[str, str] = {_KEPT: WORKLOAD}
        self._known: dict[ast.AST, str | None] = {}
        self._active: set[object] = set()
        self._assign_roles()

    def __call__(self, node: ast.AST) -> str | None:
        """The dotted name of an expression; None if unknown."""
        if node not in self._known:
            if node in self._active:
                return None
            self._active.add(node)
            self._known[node] = self._resolve(node)
            self._active.discard(node)
        return self._known[node]

    def _resolve(self, node: ast.AST) -> str | None:
        if isinstance(node, ast.Name):
            return self._name(node)
        if isinstance(node, ast.Attribute):
            return self._member(self(node.value), node.attr)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Subscript):
            return self._item(node)
        if isinstance(node, ast.NamedExpr):
            return self(node.value)
        if isinstance(node, ast.IfExp):
            return self(node.body) or self(node.orelse)
        if isinstance(node, ast.BoolOp):
            return next((name for value in node.values if (name := self(value)) is not None), None)
        if isinstance(node, FUNCTIONS):
            return self._project.key(node)
        return None

    # --- names ---------------------------------------------------------------------------------------------

    def _name(self, node: ast.Name) -> str | None:
        bindings = self._project.bindings(node)
        if bindings:
            return self._first(bindings, node.id)
        if hasattr(builtins, node.id):
            return node.id
        if node.id == "__builtins__":
            return "builtins"
        file = self._project.home(node)
        for module, level in file.scopes.module.stars:
            found = self._project.local(module, level, file)
            if found is None:
                return f"{module}.{node.id}"
            name = self._in_file(found[0], [*found[1], node.id])
            if name is not None:
                return name
        return None

    def _first(self, bindings: list[Binding], name: str) -> str | None:
        return next((found for binding in bindings if (found := self._bound(binding, name)) is not None), None)

    def _bound(self, binding: Binding, name: str) -> str | None:
        if binding.kind == "import":
            found = self._project.local(binding.target, binding.level, self._project.home(binding.node))
            outside = None if binding.level else binding.target
            return outside if found is None else self._in_file(*found)
        if binding.kind == "value":
            return self(binding.node)
        if binding.kind == "item":
            return self._element(binding.node)
        if binding.kind == "parameter":
            return self._parameter(binding.node, binding.target)
        if binding.kind == "definition":
            return self._project.key(binding.node)
        return None

    def _parameter(self, function: ast.AST, name: str) -> str | None:
        role = self._roles.get((function, name))
        owner = self._project.parent(function)
        if role is None and isinstance(owner, ast.ClassDef) and parameters(function)[:1] == [name]:  # type: ignore[arg-type]
            return self._project.key(owner)  # self, cls
        return role

    def _element(self, collection: ast.AST) -> str | None:
        """The name of a collection's elements, for parts of the model and of the evaluations."""
        if self(collection) == EVAL_RESULTS:
            return EVAL_RESULTS  # its parts also belong to the harness
        if isinstance(collection, (ast.Tuple, ast.List, ast.Set)):
            return next((name for part in collection.elts if (name := self(part)) is not None), None)
        if isinstance(collection, ast.Call) and isinstance(collection.func, ast.Attribute):
            owner = self(collection.func.value)
            if collection.func.attr in _PARTS and owner in (MODEL, f"{MODEL}.module", MODEL_PART):
                return MODEL_PART
        return None

    def _in_file(self, file: File, path: list[str]) -> str | None:
        """A name defined in a file of the submission."""
        if not path:
            return f"{file.module}:"
        return self._in_scope(file.scopes.module, f"{file.module}:", path[0], path[1:])

    def _in_scope(self, scope: Scope, owner: str, name: str, rest: list[str]) -> str | None:
        guard = (scope, name)
        if guard in self._active:
            return None
        self._active.add(guard)
        found = self._first(scope.bindings.get(name, []), name)
        self._active.discard(guard)
        for attribute in rest:
            found = self._member(found, attribute)
        return found

    # --- members -------------------------------------------------------------------------------------------

    def _member(self, owner: str | None, name: str) -> str | None:
        if owner is None:
            return self._attributes.get(name)
        if ":" not in owner:
            return f"{owner}.{name}"
        module, _, path = owner.partition(":")
        if not path:
            file = next(file for file in self._project.files if file.module == module)
            return self._in_file(file, [name])
        definition = self._project.definitions.get(owner)
        if isinstance(definition, ast.ClassDef) and definition.body:
            scope = self._project.home(definition).scopes.of[definition.body[0]]
            found = self._in_scope(scope, owner, name, [])
            if found is not None:
                return found
        return self._attributes.get(name)

    def _call(self, node: ast.Call) -> str | None:
        function = self(node.func)
        if function in GETTERS and len(node.args) >= 2:
            return self._member(self(node.args[0]), self._constants(node.args[1]) or "?")
        if function in ("__import__", "importlib.import_module") and node.args:
            return self._constants(node.args[0])
        if function == "vars" and len(node.args) == 1:
            return self._member(self(node.args[0]), "__dict__")
        if function == "globals":
            return f"{self._project.home(node).module}:"
        if function is not None and ":" in function:
            return self._returned(function)
        wrapped = self(node.args[0]) if node.args else None  # jax.jit(f), functools.partial(f, ...)
        return wrapped if wrapped in self._project.definitions else None

    def _returned(self, function: str) -> str | None:
        """The object of the API that a function of the submission returns, if any."""
        definition = self._project.definitions.get(function)
        if not isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return None
        returned = [self(node.value) for node in ast.walk(definition) if isinstance(node, ast.Return) and node.value]
        return next((name for name in returned if name in _BY_NAME.values()), None)

    def _item(self, node: ast.Subscript) -> str | None:
        key, owner = self._constants(node.slice), self(node.value)
        if owner == EVAL_RESULTS:
            return EVAL_RESULTS
        if key is None:
            return None
        if self._is_rest(node.value):
            return _BY_NAME.get(key)
        if owner in ("sys.modules", "builtins"):
            return key
        if owner is not None and owner.endswith(".__dict__"):
            return self._member(owner.removesuffix(".__dict__"), key)
        if owner is not None and owner.endswith(":"):
            return self._member(owner, key)
        return self._attributes.get(key) if owner is None else None

    def _is_rest(self, node: ast.AST) -> bool:
        """Whether a name is the `**arguments` of a function."""
        bindings = self._project.bindings(node) if isinstance(node, ast.Name) else []
        functions = [binding.node for binding in bindings if binding.kind == "parameter"]
        rests = [function.args.kwarg for function in functions if isinstance(function, FUNCTIONS)]
        return any(rest is not None and isinstance(node, ast.Name) and rest.arg == node.id for rest in rests)

    # --- objects of the API ----------------------------------------------------------------------------------

    def _assign_roles(self) -> None:
        for function in self._project.functions():
            self._name_roles(function)
        for _ in range(_ROUNDS):
            before = len(self._roles) + len(self._attributes)
            self._known.clear()
            for function in self._project.functions():
                self._default(function)
            for call in self._project.calls():
                self._pass_on(call)
            for assignment in self._project.nodes(ast.Assign):
                self._keep(assignment)
            if len(self._roles) + len(self._attributes) == before:
                break
        self._known.clear()
        self._drop_namesakes()

    def _drop_namesakes(self) -> None:
        """Parameters of helpers that are named like one of the API's, but whose calls all pass something else.

        Only those that are as common in other code, and whose objects cannot be changed.
        """
        passed: dict[tuple[ast.AST, str], list[bool]] = {}
        for call in self._project.calls():
            function, skipped, given = self._callee(call)
            if function is None or self._is_api(function):
                continue
            names = parameters(function)[skipped:]
            pairs = [*zip(names, given, strict=False), *((key.arg, key.value) for key in call.keywords)]
            for name, argument in pairs:
                role = self._roles.get((function, name or ""))
                if name is not None and role in _NAMESAKES:
                    passed.setdefault((function, name), []).append(self._is_never_rebound(argument, role))
        for parameter, known in passed.items():
            if not any(known):
                del self._roles[parameter]
        self._known.clear()

    def _is_api(self, function: Function) -> bool:
        return isinstance(self._project.parent(function), ast.Module) and getattr(function, "name", "") in _API

    def _is_never_rebound(self, argument: ast.expr, role: str) -> bool:
        """Whether an argument is the harness's object of a role, and not a name that was bound to others."""
        bindings = self._project.bindings(argument) if isinstance(argument, ast.Name) else []
        return self(argument) == role and all(binding.kind == "parameter" for binding in bindings)

    def _name_roles(self, function: Function) -> None:
        names = parameters(function)
        for name in names:
            if name in _BY_NAME and not (name == "workload" and function in self._batch_code):
                self._roles[function, name] = _BY_NAME[name]
        if isinstance(function, ast.FunctionDef) and isinstance(self._project.parent(function), ast.Module):
            for name, role in zip(names, _BY_POSITION.get(function.name, ()), strict=False):
                if role is not None:
                    self._roles[function, name] = role

    def _default(self, function: Function) -> None:
        """Assign parameters the roles of their defaults."""
        arguments = function.args
        by_position = [*arguments.posonlyargs, *arguments.args]
        pairs = [*zip(reversed(by_position), reversed(arguments.defaults), strict=False)]
        pairs += [
            (name, value) for name, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if value
        ]
        for name, value in pairs:
            self._set_role(function, name.arg, self(value))

    def _pass_on(self, call: ast.Call) -> None:
        """Assign parameters the roles of the arguments of a call."""
        arguments = [(argument, self(argument)) for argument in (*call.args, *(key.value for key in call.keywords))]
        if not any(role is not None and role.startswith("<") for _, role in arguments):
            return
        function, skipped, given = self._callee(call)
        if function is None:
            return
        names = parameters(function)[skipped:]
        for name, argument in zip(names, given, strict=False):
            self._set_role(function, name, self(argument))
        for keyword in call.keywords:
            if keyword.arg in names:
                self._set_role(function, keyword.arg, self(keyword.value))

    def _callee(self, call: ast.Call) -> tuple[Function | None, int, list[ast.expr]]:
        """The function of the submission that a call invokes, its bound parameters, and the positional arguments."""
        key, given = self(call.func), call.args
        if key == "functools.partial" and call.args:
            key, given = self(call.args[0]), call.args[1:]
        definition = self._project.definitions.get(key or "")
        if isinstance(definition, ast.ClassDef):
            definition = self._project.definitions.get(f"{key}.__init__")
            return (definition, 1, given) if isinstance(definition, FUNCTIONS) else (None, 0, [])
        if definition is None:
            return None, 0, []
        return definition, int(isinstance(self._project.parent(definition), ast.ClassDef)), given

    def _set_role(self, function: Function, name: str, role: str | None) -> None:
        if role is not None and role in _BY_NAME.values():
            self._roles.setdefault((function, name), role)

    def _keep(self, node: ast.Assign) -> None:
        """Record objects of the API that are stored as attributes."""
        role = self(node.value)
        for target in node.targets:
            if isinstance(target, ast.Attribute) and role in (WORKLOAD, TRAIN_STATE, EVAL_RESULTS):
                self._attributes.setdefault(target.attr, role)
