"""Rates: what one started unit of a service costs, by band and by day."""

from __future__ import annotations

from dataclasses import dataclass

from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.dues import Dues
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_positive, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.trace import trace_span


@dataclass(frozen=True, slots=True)
class Rate(HarborRow):
    """The price of one unit of a service from a day on."""

    rate_id: str
    service_code: str
    unit_price: Dues
    from_day: int
    minimum: Dues = Dues.none()

    def price_of(self, units: int) -> Dues:
        return self.unit_price.times(units).at_least(self.minimum)


class RateRepo(TideRepo[Rate]):
    """Rates by number."""

    table = "tariff_rate"
    key_column = "rate_id"

    def fetch_for_day(self, service_code: str, day: int) -> Rate | None:
        """The newest rate that is in force on a day."""
        rates = [row for row in self.fetch_all_by(service_code=service_code) if row.from_day <= day]
        return max(rates, key=lambda rate: rate.from_day, default=None)


@harbor_service("tariff.rate")
class RateService:
    """Publishes rates and quotes prices."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = RateRepo(ctx)

    def publish(self, service_code: str, unit_price: Dues, from_day: int) -> Outcome[Rate]:
        """Publish a rate; it never reaches back into the past.

        Fails with WRONG_STATE.
        """
        require_grant(self.ctx, "tariff.rate.publish")
        require_slot(self.ctx, "service_code", service_code)
        require_positive(self.ctx, "unit_price", unit_price.cents)
        require_positive(self.ctx, "from_day", from_day)
        with trace_span("harbor.tariff.rate.publish", self.ctx) as span:
            today = self.ctx.clock.now_stamp().day
            if from_day < today:
                return Outcome.fail(
                    ErrCode.WRONG_STATE, f"rate for {service_code} would begin on day {from_day}"
                )
            rate_id = self.ctx.next_serial("RAT")
            rate = self.repo.insert_row(
                Rate(
                    rate_id=rate_id,
                    service_code=service_code,
                    unit_price=unit_price,
                    from_day=from_day,
                )
            )
            self.ctx.ledger.post_event(
                "tariff.rate.published", rate_id=rate_id, service_code=service_code
            )
            span.note("rate_id", rate_id)
            span.note("service_code", service_code)
            return Outcome.ok(rate)

    def set_minimum(self, rate_id: str, minimum: Dues) -> Outcome[Rate]:
        """Set the least that is charged, whatever the units.

        Fails with NOT_ON_FILE.
        """
        require_grant(self.ctx, "tariff.rate.set_minimum")
        require_slot(self.ctx, "rate_id", rate_id)
        require_positive(self.ctx, "minimum", minimum.cents)
        with trace_span("harbor.tariff.rate.set_minimum", self.ctx) as span:
            rate = self.repo.fetch_one_by("rate_id", rate_id)
            if rate is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"rate {rate_id} is not on file")
            rate = self.repo.save_row(rate.with_changes(minimum=minimum))
            self.ctx.ledger.post_event(
                "tariff.rate.minimum_set", rate_id=rate_id, cents=minimum.cents
            )
            span.note("rate_id", rate_id)
            span.note("cents", minimum.cents)
            return Outcome.ok(rate)

    def quote(self, service_code: str, units: int) -> Outcome[Dues]:
        """Quote a price by the rate of today.

        Fails with RATE_UNKNOWN.
        """
        require_grant(self.ctx, "tariff.rate.quote")
        require_slot(self.ctx, "service_code", service_code)
        require_positive(self.ctx, "units", units)
        with trace_span("harbor.tariff.rate.quote", self.ctx) as span:
            rate = self.repo.fetch_for_day(service_code, self.ctx.clock.now_stamp().day)
            if rate is None:
                return Outcome.fail(
                    ErrCode.RATE_UNKNOWN, f"service {service_code} has no rate today"
                )
            price = rate.price_of(units)
            span.note("service_code", service_code)
            span.note("cents", price.cents)
            return Outcome.ok(price)
