"""Who is told how each call of a tool went, whichever frontend it came in by."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import TracebackType


class CallObserver(Protocol):
    """Counts or measures calls; told on the event loop, so it must be quick and must not raise."""

    def began(self, tool: str | None) -> None:
        """Take note that a call has begun.

        Args:
            tool: Its name, or None where no tool of the name that was asked for is installed:
                what callers make up must not fill anybody's memory.
        """
        ...

    def ended(self, tool: str | None, seconds: float, error: BaseException | None) -> None:
        """Take note that it has ended.

        Args:
            tool: As when it began.
            seconds: How long it took, its checks included.
            error: What it raised: an `AitkError`, a cancellation, or the wish to ask the client.
        """
        ...


class CallObservers:
    """Those of one dispatcher; calls that tools make of each other are told as well."""

    def __init__(self) -> None:
        """Start with nobody."""
        self._observers: tuple[CallObserver, ...] = ()

    def add(self, observer: CallObserver) -> None:
        """Tell this one, too, of every call that begins from now on."""
        self._observers = (*self._observers, observer)

    def watch(self, tool: str | None) -> AbstractContextManager[object]:
        """Return what is entered around one call."""
        return _Watched(self._observers, tool) if self._observers else nullcontext()


class _Watched:
    """One call, told to those who observed when it began."""

    __slots__ = ("_observers", "_start", "_tool")

    def __init__(self, observers: tuple[CallObserver, ...], tool: str | None) -> None:
        self._observers = observers
        self._tool = tool
        self._start = time.perf_counter()

    def __enter__(self) -> Self:
        for observer in self._observers:
            observer.began(self._tool)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        seconds = time.perf_counter() - self._start
        for observer in self._observers:
            observer.ended(self._tool, seconds, error)
