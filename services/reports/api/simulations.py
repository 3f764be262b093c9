"""/billing/simulations: what a proposed rate card would change."""

from common.billing_period import Period
from common.rating.simulation import simulate
from services.reports.api.dependencies import Snapshot
from services.reports.api.schemas.simulations import Simulation, SimulationBody
from services.reports.http.routes import Router

router = Router(prefix="/billing/simulations", tags=["rate cards"])


@router.post("")
def simulate_rate_card(session: Snapshot, body: SimulationBody) -> Simulation:
    """What a month's stored actions cost now, and would cost on a proposed card.

    Nothing is written, and the month is rated by the same statement as for a bill. The card is
    tried on the named customers as their own; if none is named, as the default card on everyone
    with actions in that month, and those with a card of their own stay on it (`is_repriced`:
    false). A closed month is rated again from its stored actions.
    """
    simulated = simulate(session, Period.parse(body.period), body.rate_card, body.customers())
    return Simulation.from_simulated(body.period, simulated)
