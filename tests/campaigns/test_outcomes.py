"""What follows from exit codes, again and again."""

from __future__ import annotations

import pytest

from algoperf.campaigns.outcomes import Next, Rules, advice, decide, is_result, next_of

RULES = Rules(retries=2, fruitless_resumes=3)
LOST = {"number": 1}
RETRY = {"next": "retry", "exit_code": 4}
STOP = {"next": "stop", "exit_code": 3}


def resume(steps=0, asked_to_stop=False):
    return {"next": "resume", "steps": steps, "asked_to_stop": asked_to_stop}


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([0], Next.FINISHED),
        ([130, 137, 143], Next.RESUME),
        ([1, 4, 7, 125, 126, 127], Next.RETRY),
        ([2, 3, 5, 9], Next.STOP),
    ],
)
def test_exit_codes(codes, expected):
    assert {next_of(code) for code in codes} == {expected}


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ([], None),
        ([LOST], Next.RESUME),
        ([RETRY] * 2, Next.RETRY),
        ([RETRY] * 3, Next.STOP),
        ([RETRY, resume(5), RETRY, resume(5), RETRY], Next.STOP),
        ([RETRY] * 3 + [{**RETRY, "asked_again": True}], None),
        ([RETRY] * 3 + [{**RETRY, "asked_again": True}, RETRY], Next.RETRY),
        ([resume(1)] * 50, Next.RESUME),
        ([resume()] * 3, Next.RESUME),
        ([resume()] * 4, Next.STOP),
        ([LOST] * 4, Next.STOP),
        ([resume()] * 3 + [resume(1)] + [resume()] * 3, Next.RESUME),
        ([resume(asked_to_stop=True)] * 50, Next.RESUME),
        ([STOP], Next.STOP),
        ([{**STOP, "asked_again": True}], None),
    ],
)
def test_decisions(attempts, expected):
    assert decide(attempts, RULES) == expected


def test_a_submissions_own_error_is_a_result_and_the_rest_may_be_begun_again():
    own = "the submission's own error, which is a result. For changed code, plan a new campaign in another folder."
    assert advice(False, [3, 9, 3], "run") == [f"Exit code 3 or 9: {own}"]
    assert advice(True, [3], "run") == ["When the cause is gone: run --again", f"Exit code 3: {own}"]
    assert advice(True, [], "run") == ["When the cause is gone: run --again"]
    assert advice(False, [], "run") == []


@pytest.mark.parametrize(
    ("code", "label", "expected"),
    [
        (3, "submission_error", True),
        (9, "rule_breach", True),
        (3, None, True),  # it raised before its trial began
        (3, "interrupted", False),  # it has begun, and raised when it was to go on
        (4, "out_of_memory", False),
        (5, None, False),
        (None, None, False),
    ],
)
def test_what_a_failure_is(code, label, expected):
    assert is_result(code, label) == expected
