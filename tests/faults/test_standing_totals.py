"""Standing totals while the database is killed in the middle of everything."""

import threading
import time
from collections.abc import Callable

from sqlalchemy import text

from common.database.transactions import snapshot
from common.rating.standing_totals.catch_up import catch_up
from tests.faults.world import Postgres
from tests.support import interleavings
from tests.support.interleavings import Interleaving
from tests.support.standing_totals import check_standing_totals

SECONDS = 40
KILLS = 3


def test_standing_totals_are_exact_when_the_database_is_killed(
    postgres: Postgres, pointed_at: Callable[[str], None]
) -> None:
    pointed_at(postgres.address(postgres.database()))
    interleavings.fill()
    everything = Interleaving(SECONDS, seed=2)

    def kill_now_and_then() -> None:
        for _ in range(KILLS):
            time.sleep(SECONDS / (KILLS + 1))
            postgres.kill()
            postgres.start_again()

    killer = threading.Thread(target=kill_now_and_then)
    killer.start()
    everything.run()
    killer.join()

    assert everything.done["away"] >= KILLS
    assert everything.done["read with a backlog"] > 3
    catch_up()
    with snapshot() as session:
        check_standing_totals(session)
        assert not session.scalar(text("select exists (select from rating_backlog)"))
