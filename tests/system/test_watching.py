"""mcflow show: a finished file, a study while it runs, and --follow until it ends."""

import json
import signal
import subprocess
import sys
import time

from conftest import command_line

STUDY = ("run", "--scheme", "kaiming_normal", "--activation", "relu", "--activation", "tanh")
STUDY = (*STUDY, "--depth", "12", "--width", "8", "--quiet", "--networks", "3000", "-o", "a.h5")


def test_a_running_study_is_shown_followed_and_found_finished(tmp_path, mcflow_command):
    process = subprocess.Popen(command_line(*STUDY, part=16, stand_in=True), cwd=tmp_path, stdout=subprocess.DEVNULL)
    while len(list((tmp_path / "a.h5.parts").glob("case*"))) < 4:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGSTOP)
    shown = mcflow_command("show", "a.h5", "--json")
    document = json.loads(shown.stdout)
    assert document["running"]["state"] == "running"
    assert str(process.pid) in document["running"]["writer"]
    done = document["running"]["networks_done"]
    assert done["kaiming_normal-relu"] >= 32
    follower = subprocess.Popen(
        [sys.executable, "-m", "mcflow", "show", "--follow", "a.h5"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    time.sleep(2.5)
    process.send_signal(signal.SIGCONT)
    assert process.wait(timeout=120) == 0
    text = follower.communicate(timeout=60)[0]
    assert follower.returncode == 0
    assert "a.h5 is finished" in text
    assert "kaiming_normal-tanh" in text
    assert any(block in text for block in "▁▂▃▄▅▆▇█")
    finished = mcflow_command("show", "a.h5")
    assert "complete, 3000 networks" in finished.stdout
    assert 'activation = "tanh"' in finished.stdout
    assert "finished" in mcflow_command("show", "--follow", "a.h5").stdout


def test_an_interrupted_study_is_shown_as_such(tmp_path, mcflow_command):
    process = subprocess.Popen(command_line(*STUDY, part=16, stand_in=True), cwd=tmp_path, stdout=subprocess.DEVNULL)
    while len(list((tmp_path / "a.h5.parts").glob("case*"))) < 4:
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert "a.h5: interrupted" in mcflow_command("show", "a.h5").stdout
    assert "--resume continues it" in mcflow_command("show", "--follow", "a.h5").stdout
