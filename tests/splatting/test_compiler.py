"""Compiling on first use: the cache, two processes at once, no compiler, a broken one."""

import ctypes
import logging
import stat

import pytest
import torch

from tests.shared.compiler import needs_compiler
from tests.shared.processes import Started
from tests.splatting import scenes
from vgmae_bench.errors import UserError
from vgmae_bench.splatting import backends, compiler, native, render

SOURCE = 'extern "C" int answer() { return 42; }\n'


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setenv("VGMAE_BENCH_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "answer.cpp"
    path.write_text(SOURCE)
    return path


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """Nothing compiled, nothing tried, nothing warned of yet; afterwards likewise."""
    caches = (native._library, backends._try, backends._warn_once)
    monkeypatch.setenv("VGMAE_BENCH_CACHE", str(tmp_path / "cache"))
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@needs_compiler
def test_compiles_once_and_again_when_the_source_changes(source):
    library = compiler.compile_library(source)
    assert ctypes.CDLL(str(library)).answer() == 42
    made = library.stat().st_mtime_ns
    assert compiler.compile_library(source) == library
    assert library.stat().st_mtime_ns == made
    source.write_text(SOURCE.replace("42", "43"))
    changed = compiler.compile_library(source)
    assert changed != library
    assert ctypes.CDLL(str(changed)).answer() == 43
    assert sorted(library.parent.iterdir()) == sorted([library, changed])  # and no temporary files


@needs_compiler
def test_compiles_again_when_a_header_changes(source):
    header = source.with_name("number.h")
    source.write_text('#include "number.h"\nextern "C" int answer() { return NUMBER; }\n')
    for number in (42, 43):
        header.write_text(f"#define NUMBER {number}\n")
        assert ctypes.CDLL(str(compiler.compile_library(source))).answer() == number


@needs_compiler
def test_processes_may_compile_at_once(source):
    code = (
        "import ctypes, sys; from pathlib import Path; from vgmae_bench.splatting.compiler import compile_library\n"
        "print(ctypes.CDLL(str(compile_library(Path(sys.argv[1])))).answer())"
    )
    running = [Started(str(source), program=code) for _ in range(2)]
    assert [process.wait().stdout.strip() for process in running] == ["42", "42"]
    assert len(list(compiler.cache_folder().iterdir())) == 1


@needs_compiler
def test_flags_that_a_compiler_lacks_are_left_out(source, tmp_path, monkeypatch):
    real = compiler.find_compiler()[0]
    picky = 'for flag in "$@"; do case $flag in -march=native|-fopenmp) echo "error: $flag?" >&2; exit 1;; esac; done'
    monkeypatch.setenv("CXX", script(tmp_path / "picky", f'{picky}\nexec {real} "$@"'))
    assert ctypes.CDLL(str(compiler.compile_library(source))).answer() == 42


@needs_compiler
def test_a_missing_openmp_library_is_no_error(source, tmp_path, monkeypatch):
    """The flag is known but linking with it fails."""
    real = compiler.find_compiler()[0]
    picky = 'case "$*" in *-fopenmp*-o*) echo "error: cannot find -lgomp" >&2; exit 1;; esac'
    monkeypatch.setenv("CXX", script(tmp_path / "picky", f'{picky}\nexec {real} "$@"'))
    assert ctypes.CDLL(str(compiler.compile_library(source))).answer() == 42


def test_options_in_cxx_are_kept(source, tmp_path, monkeypatch):
    seen = tmp_path / "seen"
    spy = script(tmp_path / "spy", f'echo "$1" > {seen}; exit 1')
    monkeypatch.setenv("CXX", f"{spy} --option")
    with pytest.raises(compiler.CompilerError, match="spy does not work"):
        compiler.compile_library(source)
    assert seen.read_text().strip() == "--option"


@needs_compiler
def test_a_broken_source_is_reported_in_one_line(source):
    source.write_text("this is not C++\n")
    with pytest.raises(compiler.CompilerError, match="error") as raised:
        compiler.compile_library(source)
    assert "\n" not in str(raised.value)
    assert not list(compiler.cache_folder().iterdir())


@needs_compiler
def test_a_cache_that_is_a_file_is_reported(source, tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("VGMAE_BENCH_CACHE", str(tmp_path / "taken"))
    with pytest.raises(compiler.CompilerError, match="cannot write"):
        compiler.compile_library(source)


@pytest.mark.usefixtures("fresh")
def test_without_a_compiler_auto_falls_back_and_says_so_once(tmp_path, monkeypatch, caplog):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    scene = scenes.make(1, count=10, channels=3, width=20, height=18)
    with caplog.at_level(logging.WARNING):
        first = render(*scene, 18, 20)
        render(*scene, 18, 20)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "no C++ compiler found" in caplog.text
    assert torch.equal(first.features, render(*scene, 18, 20, backend="torch").features)
    assert not backends.status()["native"].usable
    with pytest.raises(UserError, match=r"(?i)native back end does not work on this machine: no C\+\+ compiler found"):
        render(*scene, 18, 20, backend="native")


@pytest.mark.usefixtures("fresh")
def test_a_failing_compiler_counts_as_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", script(tmp_path / "broken", "echo 'error: no' >&2; exit 1"))
    found = backends.status()["native"]
    assert not found.usable
    assert "does not work" in found.detail


@needs_compiler
@pytest.mark.usefixtures("fresh")
def test_an_unloadable_library_is_reported(tmp_path, monkeypatch):
    real = compiler.find_compiler()[0]
    text = f'case "$*" in *-dM*) exec {real} "$@";; *) while [ "$1" != -o ]; do shift; done; echo no > "$2";; esac'
    monkeypatch.setenv("CXX", script(tmp_path / "liar", text))
    assert not backends.status()["native"].usable


def test_status_names_every_back_end():
    found = backends.status()
    assert list(found) == ["gsplat", "native", "torch"]
    assert found["torch"].usable
    assert all(entry.detail for entry in found.values())
    if not torch.cuda.is_available():
        assert found["gsplat"] == (False, "RuntimeError: torch sees no CUDA device")
