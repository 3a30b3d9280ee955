"""Help answers fast and has an example for every verb; doctor says what there is."""

import json

import pytest

from mcflow.cli import VERBS, LazyGroup, call, cli

HERE = LazyGroup.list_commands(cli, None)


@pytest.mark.parametrize("verb", HERE)
def test_every_verb_has_help_with_an_example(verb, capsys):
    assert call([verb, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Example" in text
    assert f"mcflow {verb}" in text


def test_the_help_lists_every_verb(capsys):
    assert call(["--help"]) == 0
    text = capsys.readouterr().out
    for verb in HERE:
        assert VERBS[verb] in text


def test_doctor_says_what_there_is(mcflow_command):
    done = mcflow_command("doctor", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["versions"]["numba"]
    assert found["machine"]["cores_allowed"] >= 1
    assert found["cpu"]["name"]
    assert found["cpu"]["threads"] >= 1
    assert found["cpu"]["threading_layer"]
    assert found["hdf5"]["locking_here"]
    assert "works" in found["cuda"]
    assert "numba" in mcflow_command("doctor").stdout
