"""A loop ends when it is told to, though what it waits for arrives in the same moment."""

from __future__ import annotations

import asyncio

import pytest

from warehouse.cancellation import heed


async def test_a_task_ends_though_its_reply_and_its_end_come_together() -> None:
    rounds = 0
    reply = asyncio.get_running_loop().create_future()

    async def work() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.wait_for(asyncio.shield(reply), 5)
            heed()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    reply.set_result(None)
    await asyncio.sleep(0)  # the shield passes the reply on; the task has not run yet
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rounds == 1
