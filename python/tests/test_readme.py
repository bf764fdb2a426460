"""What the README shows is what comes out."""

import ast
import builtins
import re
from pathlib import Path
from typing import List

import cuda_primary_context as cpc
from simulated import on_simulator

README = Path(__file__).resolve().parents[1].joinpath("README.md").read_text()


def blocks(language: str) -> List[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@on_simulator(held_by_others="0:1,2:3")
def test_the_tables_are_those_of_plan_and_report() -> None:
    plan, report = blocks("text")
    assert str(cpc.plan(1)) + "\n" == plan
    assert str(cpc.retain_only(1).report) + "\n" == report


def test_every_name_in_a_program_is_there() -> None:
    programs = blocks("python")
    assert len(programs) >= 4
    for program in programs:
        ast.parse(program)
        for name in re.findall(r"\b((?:cpc|checkpoint)\.\w+)", program):
            assert eval(name, {"cpc": cpc, "checkpoint": cpc.checkpoint}), name
    ours = {name for name in re.findall(r"`(\w+Error)`", README) if not hasattr(builtins, name)}
    assert len(ours) > 5 and all(hasattr(cpc, name) for name in ours)


def test_the_danger_comes_before_the_first_call() -> None:
    assert 0 < README.index("the process died (SIGSEGV)") < README.index("cpc.plan(") < README.index("cpc.retain_only(")
