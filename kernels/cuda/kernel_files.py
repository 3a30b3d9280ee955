"""Machine code of kernels as files: whole or not read, written by nobody else, and never a reason to fail.

A file is a line that names the format, the digest of the rest, a line of JSON that holds the key and what is to be
known of the code, and the code. No object is pickled: a file cannot make this process do anything.
"""

import contextlib
import hashlib
import json
import os
import tempfile
import time

_FORMAT = b"machine code of an mcflow kernel, version 1"
_SUFFIX, _UNFINISHED = ".kernel", ".unfinished-"
_ABANDONED = 3600.0  # seconds after which an unfinished file belongs to nobody: writing one takes milliseconds
_WRITABLE_BY_OTHERS = 0o022


def path_for(folder, key):
    """The file of a ``key`` (plain data) in a folder."""
    return folder / f"{hashlib.sha256(_text(key)).hexdigest()[:32]}{_SUFFIX}"


def read(folder, key):
    """What was written under ``key``, as (plain data, code); None where that is not there, not whole or not ours."""
    try:
        with open(path_for(folder, key), "rb") as file:
            if not _is_ours(os.fstat(file.fileno())):
                return None
            name, digest, rest = file.read().split(b"\n", 2)
        if name != _FORMAT or digest != hashlib.sha256(rest).hexdigest().encode():
            return None
        said, code = rest.split(b"\n", 1)
        kept, said = json.loads(said)
        return (said, code) if _text(kept) == _text(key) else None
    except (OSError, ValueError):
        return None


def write(folder, key, said, code):
    """Keep ``code`` and what is ``said`` of it (plain data) under ``key``; whether it could be kept.

    Whoever reads meanwhile finds the file of before or this one, whole.
    """
    rest = json.dumps([key, said]).encode() + b"\n" + code
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _clear(folder)
        descriptor, name = tempfile.mkstemp(prefix=_UNFINISHED, dir=folder)  # for the user alone
        try:
            with open(descriptor, "wb") as file:
                file.write(b"\n".join([_FORMAT, hashlib.sha256(rest).hexdigest().encode(), rest]))
            os.replace(name, path_for(folder, key))
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
    except OSError:
        return False
    return True


def forget(folder, key):
    """Throw away what is kept under ``key``."""
    with contextlib.suppress(OSError):
        path_for(folder, key).unlink(missing_ok=True)


def kept(folder):
    """How many kernels a folder holds, and their bytes."""
    sizes = []
    with contextlib.suppress(OSError):
        for path in folder.glob(f"*{_SUFFIX}"):
            with contextlib.suppress(OSError):
                sizes.append(path.stat().st_size)
    return len(sizes), sum(sizes)


def _text(key):
    return json.dumps(key, sort_keys=True).encode()


def _is_ours(status):
    """Whether a file is of this user or the machine's administrator, and nobody else can write to it."""
    if not hasattr(os, "geteuid"):
        return True
    return status.st_uid in (os.geteuid(), 0) and not status.st_mode & _WRITABLE_BY_OTHERS


def _clear(folder):
    """Throw away what was left by a process that was killed as it wrote."""
    for path in folder.glob(f"{_UNFINISHED}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink()
