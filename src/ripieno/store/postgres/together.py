"""What many ask for at the same time, done together.

What is asked for while one statement is under way goes into the next: alone, it is done at once; among many, they
share the trip and the commit.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from ripieno.domain.errors import RipienoError, StoreBusy

MOST = 500

Q = TypeVar("Q")
A = TypeVar("A")


class Together(Generic[Q, A]):
    """Answers questions by `perform`, which takes many and answers in their order. `run` it beside everything else.

    Where the many are refused each is tried alone, so that a bad one harms no other.
    """

    def __init__(self, perform: Callable[[Sequence[Q]], Awaitable[Sequence[A]]]) -> None:
        self._perform = perform
        self._asked: list[tuple[Q, asyncio.Future[A]]] = []
        self._news = asyncio.Event()
        self._closed = False

    async def ask(self, question: Q) -> A:
        """The answer, as of after this was called.

        Raises:
            StoreBusy: The database is away or refuses, or the store is closed.
            What `perform` raises for this question alone.
        """
        if self._closed:
            raise StoreBusy("the store is closed")
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._asked.append((question, future))
        self._news.set()
        return await future

    async def run(self) -> None:
        """Answer until cancelled."""
        taken: list[tuple[Q, asyncio.Future[A]]] = []
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                while self._asked:
                    taken, self._asked = self._asked[:MOST], self._asked[MOST:]
                    await self._answer(taken)
        finally:
            self._closed = True
            _fail((*taken, *self._asked), StoreBusy("the store is closed"))

    async def _answer(self, taken: Sequence[tuple[Q, asyncio.Future[A]]]) -> None:
        try:
            answers = await self._perform([question for question, _ in taken])
        except RipienoError as error:
            if len(taken) == 1 or isinstance(error, StoreBusy):
                _fail(taken, error)
                return
            for one in taken:
                await self._answer([one])
            return
        for (_, future), answer in zip(taken, answers, strict=True):
            if not future.done():  # its caller may have been cancelled
                future.set_result(answer)


def _fail(asked: Sequence[tuple[Q, asyncio.Future[A]]], error: Exception) -> None:
    for _, future in asked:
        if not future.done():
            future.set_exception(error)
