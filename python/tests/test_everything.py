"""The program that the type checkers read runs, too."""

from pathlib import Path

from simulated import environment, python


def test_the_program_that_uses_everything_runs(tmp_path: Path) -> None:
    process = python("everything.py", env=environment(machine=tmp_path / "machine", held_by_others="2:1"))
    assert process.returncode == 0, process.stderr
    assert "no_such_device" in process.stdout and "released" in process.stdout
