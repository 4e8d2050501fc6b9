"""W&B that is not there, hangs, fails or refuses the key: the run goes on offline, in seconds, and says so once."""

import time

import pytest
from command_line import TINY, piped, records
from lightning_fabric.plugins.environments.lightning import find_free_network_port
from wandb_server import RunServer, serving

from msaseg.training import wandb_mode
from msaseg.training.wandb_mode import Mode, choose_mode, for_the_jobs, server_fault

pytestmark = pytest.mark.filterwarnings("default")  # wandb's own threads and sockets
KEY = "a" * 40


@pytest.fixture
def server():
    one = RunServer()
    with serving(one) as one.url:
        yield one


def refusing_url():
    """Return an address at which nobody listens."""
    return f"http://127.0.0.1:{find_free_network_port()}"


@pytest.mark.parametrize(
    ("state", "fault"),
    [("works", None), ("500", "answers 500"), ("401", "answers 401"), ("404", None), ("hangs", "no answer from")],
)
def test_server_that_works_has_no_fault_and_another_is_known_in_seconds(server, monkeypatch, state, fault):
    monkeypatch.setattr(wandb_mode, "PATIENCE", 1)
    server.state = state
    started = time.monotonic()
    found = server_fault(server.url, KEY)
    assert time.monotonic() - started < 2
    assert found is None if fault is None else fault in found
    assert KEY not in str(found)


def test_server_that_is_not_there_is_a_fault():
    assert "refused" in server_fault(refusing_url(), KEY)


def test_server_that_wants_other_credentials_than_a_key_is_left_to_wandb(server):
    server.state = "401"
    assert server_fault(server.url, None) is None


def logged_in(monkeypatch, account):
    import wandb

    monkeypatch.setattr(wandb, "login", lambda **_: account)


@pytest.mark.parametrize(
    ("variable", "account", "fault", "mode"),
    [
        ("disabled", True, None, Mode("disabled")),
        ("offline", True, None, Mode("offline")),
        (None, True, None, Mode("online")),
        (None, False, None, Mode("offline")),
        (None, True, "gone", Mode("offline", "gone")),
        ("online", True, "gone", Mode("offline", "gone")),
        ("online", False, None, Mode("offline", "there is no account: run `wandb login`")),
    ],
)
def test_mode_is_what_the_variable_the_account_and_the_server_say(monkeypatch, variable, account, fault, mode):
    logged_in(monkeypatch, account)
    monkeypatch.setattr(wandb_mode, "server_fault", lambda *_: fault)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    if variable:
        monkeypatch.setenv("WANDB_MODE", variable)
    assert choose_mode() == mode


def test_mode_when_the_login_raises_is_offline_with_the_reason(monkeypatch):
    import wandb

    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr(wandb, "login", lambda **_: (_ for _ in ()).throw(ValueError("API key\nmust have 40")))
    assert choose_mode() == Mode("offline", "ValueError: API key must have 40")


def test_sweep_without_a_server_is_told_once_and_its_jobs_ask_no_more(monkeypatch, capsys):
    logged_in(monkeypatch, True)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr(wandb_mode, "server_fault", lambda *_: "gone")
    assert for_the_jobs() == {"WANDB_MODE": "offline"}
    assert capsys.readouterr().out.count("gone") == 1
    monkeypatch.setattr(wandb_mode, "server_fault", lambda *_: None)
    assert for_the_jobs() == {}


def start(outputs, url, *words):
    words = ["-m", "msaseg.train", *TINY, "logger=wandb", *words]
    return piped(outputs, *words, HOME=str(outputs), WANDB_BASE_URL=url, WANDB_API_KEY=KEY)


@pytest.mark.slow
@pytest.mark.parametrize("state", ["not there", "hangs", "500", "401"])
def test_run_without_a_server_is_recorded_and_kept_offline_and_says_so_once(server, tmp_path, state):
    server.state = state
    process = start(tmp_path, refusing_url() if state == "not there" else server.url)
    output = "".join(process.communicate(timeout=120))
    assert process.returncode == 0, output
    (record,) = records(tmp_path)
    assert record.wandb_url is None
    assert record.seconds["setup"] < 30
    assert output.count("W&B is left for later") == 1
    assert output.count("curves: wandb leet run ") == 1
    assert "wandb: " not in output
    assert "Traceback" not in output
    assert len(list(tmp_path.rglob("wandb/offline-run-*/*.wandb"))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("state", ["hangs", "500"])
def test_run_whose_server_is_lost_in_the_middle_is_recorded_and_ends_in_seconds(server, tmp_path, state):
    process = start(tmp_path, server.url, "protocol.epochs=30")
    while not list(tmp_path.rglob("checkpoints/*.ckpt")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    server.state = state
    while not list(tmp_path.rglob("records/**/*.json")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    recorded = time.monotonic()
    output = "".join(process.communicate(timeout=60))
    assert time.monotonic() - recorded < 20
    assert process.returncode == 0, output
    (record,) = records(tmp_path)
    assert record.wandb_url.startswith(server.url)
    assert output.count("sends the rest later") + output.count("left out of this run") == 1
    assert len(list(tmp_path.rglob("wandb/run-*/*.wandb"))) == 1
