"""The command `cryodl`, also as `python -m cryodl`: heeds Ctrl-C while the rest is being loaded."""

import os
import sys


def main() -> int:
    """Run the command that the process was started with. Returns the exit code."""
    try:
        import signal

        # Whoever starts a process in the background has it ignore Ctrl-C.
        heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if heeded:  # an import may swallow an exception
            signal.signal(signal.SIGINT, _leave)
        from cryodl.cli.main import interrupted
        from cryodl.cli.main import main as run
    except KeyboardInterrupt:
        _leave()
    pressed = []

    def press(number, frame) -> None:
        pressed.append(number)
        signal.default_int_handler(number, frame)

    def begin() -> None:
        if heeded:
            signal.signal(signal.SIGINT, press)

    try:
        code = run(begin=begin)
        if heeded:  # nothing is left to tell
            signal.signal(signal.SIGINT, signal.SIG_DFL)
    except KeyboardInterrupt as stopped:  # before or after the command itself
        code = interrupted(stopped)
    except Exception:
        if not pressed:
            raise
        code = interrupted(KeyboardInterrupt())  # an import, as numpy's, made another error of it
    return code


def _leave(*_: object) -> None:
    os.write(2, b"cryodl: interrupted; nothing was written\n")
    os._exit(130)


if __name__ == "__main__":
    sys.exit(main())
