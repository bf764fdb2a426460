"""What the README shows is what comes out."""

import ast
import builtins
import re
from pathlib import Path
from typing import List

import cuda_primary_context as cpc
from simulated import on_simulator

PACKAGE = Path(__file__).resolve().parent.parent
README = (PACKAGE / "README.md").read_text()


def blocks(language: str) -> List[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@on_simulator(held_by_others="0:1,2:3")
def test_the_tables_are_those_of_plan_and_report() -> None:
    plan, report = blocks("text")
    assert str(cpc.plan(1)) + "\n" == plan
    assert str(cpc.retain_only(1).report) + "\n" == report


def test_every_program_is_one() -> None:
    programs = blocks("python")
    assert len(programs) == 6
    for program in programs:
        for name in re.findall(r"\bcpc\.(\w+)|\bcheckpoint\.(\w+)", program):
            module = cpc if name[0] else cpc.checkpoint
            assert hasattr(module, name[0] or name[1]), name
        ast.parse(program)


def test_the_workers_function_is_the_examples() -> None:
    function = next(program for program in blocks("python") if program.startswith("def _"))
    assert function in (PACKAGE / "examples" / "vllm_worker.py").read_text()


def test_every_error_that_is_named_is_there() -> None:
    named = set(re.findall(r"`(\w+Error)`", README))
    ours = {name for name in named if not hasattr(builtins, name)}
    assert len(ours) > 5 and all(hasattr(cpc, name) for name in ours)


def test_the_danger_comes_before_the_first_call() -> None:
    assert 0 < README.index("the process died (SIGSEGV)") < README.index("cpc.plan(") < README.index("cpc.retain_only(")
