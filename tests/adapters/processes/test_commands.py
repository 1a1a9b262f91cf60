"""Commands: their ends, their outputs, their bounds."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from watership.adapters.processes.commands import OUTPUT_BYTES, ProcessCommands
from watership.errors import BadInput, Unavailable

SHELL = "/bin/sh"


async def test_code_and_both_outputs_come_back(tmp_path: Path) -> None:
    done = await ProcessCommands(tmp_path).run([SHELL, "-c", "echo out; echo err >&2; exit 3"])
    assert (done.code, done.output, done.errors, done.cut) == (3, "out\n", "err\n", False)


async def test_folder_and_variables_are_the_commands_and_no_word_is_a_shells(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    run = ProcessCommands(tmp_path).run
    done = await run(
        [SHELL, "-c", 'pwd; echo "$WORD" "$1"', "-", "$(id); *"], folder="sub", variables={"WORD": "w"}
    )
    assert done.output == f"{(tmp_path / 'sub').resolve()}\nw $(id); *\n"


async def test_of_a_long_output_the_end_is_kept_and_marked(tmp_path: Path) -> None:
    code = f"import sys; sys.stdout.write('x' * {3 * OUTPUT_BYTES} + 'last'); sys.stderr.write('end')"
    done = await ProcessCommands(tmp_path).run([sys.executable, "-c", code])
    assert (done.code, len(done.output), done.errors, done.cut) == (0, OUTPUT_BYTES, "end", True)
    assert done.output.endswith("xlast")


async def test_at_the_timeout_the_command_ends_with_its_children_whatever_group_they_made(
    tmp_path: Path,
) -> None:
    child = "import os, time; os.setsid(); open('child', 'w').write(str(os.getpid())); time.sleep(60)"
    parent = (
        "import os, subprocess, sys, time; open('parent', 'w').write(str(os.getpid()));"
        f"subprocess.Popen([sys.executable, '-S', '-c', {child!r}]); time.sleep(60)"
    )
    running = asyncio.create_task(
        ProcessCommands(tmp_path).run([sys.executable, "-S", "-c", parent, "hush"], timeout=2.0)
    )
    with pytest.raises(Unavailable, match="took longer than 2 s and was ended") as caught:
        await running
    assert "hush" not in str(caught.value)
    for name in ("parent", "child"):
        await gone(int((tmp_path / name).read_text()))


async def test_a_command_ends_when_nobody_waits_for_it_any_more(tmp_path: Path) -> None:
    code = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
    running = asyncio.create_task(ProcessCommands(tmp_path).run([sys.executable, "-S", "-c", code]))
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await gone(int((tmp_path / "pid").read_text()))


async def test_what_a_command_left_running_does_not_hold_its_answer(tmp_path: Path) -> None:
    async with asyncio.timeout(20):
        done = await ProcessCommands(tmp_path).run([SHELL, "-c", "sleep 30 & echo $!"])
    os.kill(int(done.output), 9)
    assert done.code == 0


async def test_a_missing_program_is_unavailable_and_nonsense_is_refused(tmp_path: Path) -> None:
    run = ProcessCommands(tmp_path).run
    with pytest.raises(Unavailable, match="no-such-program cannot be run: No such file") as caught:
        await run(["no-such-program", "--password=hush"])
    assert "hush" not in str(caught.value)
    for words, folder in ([], ""), (["a\0b"], ""), (["true"], "no-such-folder"):
        with pytest.raises(BadInput):
            await run(words, folder=folder)


async def test_a_command_that_a_signal_ended_has_a_code_that_is_no_success(tmp_path: Path) -> None:
    assert (await ProcessCommands(tmp_path).run([SHELL, "-c", "kill -9 $$"])).code == -9


async def gone(pid: int) -> None:
    """A killed process has ended a moment later; whether its parent has noticed is no matter."""
    async with asyncio.timeout(10):
        with suppress(psutil.NoSuchProcess):
            while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                await asyncio.sleep(0.01)
