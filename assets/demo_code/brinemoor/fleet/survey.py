"""Hull surveys: dry inspections with graded findings. A clean survey makes a hull fit again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from brinemoor.fleet.hull import HullService, HullState
from brinemoor.kernel.context import BerthContext
from brinemoor.kernel.errcode import ErrCode
from brinemoor.kernel.guards import require_grant, require_slot
from brinemoor.kernel.outcome import Outcome
from brinemoor.kernel.registry import harbor_service
from brinemoor.kernel.repo import HarborRow, TideRepo
from brinemoor.kernel.tidetime import TideStamp
from brinemoor.kernel.trace import trace_span


class FindingGrade(Enum):
    """How bad a finding is."""

    REMARK = "remark"
    REPAIR = "repair"
    DANGER = "danger"


@dataclass(frozen=True, slots=True)
class Survey(HarborRow):
    """A survey of one hull with its findings so far."""

    survey_id: str
    hull_no: str
    opened_at: TideStamp
    findings: tuple[FindingGrade, ...] = ()
    closed: bool = False

    def worst_grade(self) -> FindingGrade | None:
        """The worst finding, or nothing on a clean survey."""
        order = [FindingGrade.DANGER, FindingGrade.REPAIR, FindingGrade.REMARK]
        return next((grade for grade in order if grade in self.findings), None)


class SurveyRepo(TideRepo[Survey]):
    """Surveys by number."""

    table = "fleet_survey"
    key_column = "survey_id"

    def fetch_open_for(self, hull_no: str) -> Survey | None:
        return next(iter(self.fetch_all_by(hull_no=hull_no, closed=False)), None)


GRADE_DAYS = {None: 360, FindingGrade.REMARK: 180, FindingGrade.REPAIR: 30}


@harbor_service("fleet.survey")
class SurveyService:
    """Opens and closes surveys; the fitness itself stays with the hull service."""

    def __init__(self, ctx: BerthContext) -> None:
        self.ctx = ctx
        self.repo = SurveyRepo(ctx)
        self.hulls = HullService(ctx)

    def open_survey(self, hull_no: str) -> Outcome[Survey]:
        """Open a survey; one hull has one open survey at a time.

        Fails with NOT_ON_FILE, WRONG_STATE, ALREADY_ON_FILE.
        """
        require_grant(self.ctx, "fleet.survey.open_survey")
        require_slot(self.ctx, "hull_no", hull_no)
        with trace_span("harbor.fleet.survey.open_survey", self.ctx) as span:
            hull = self.hulls.repo.fetch_one_by("hull_no", hull_no)
            if hull is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"hull {hull_no} is not on file")
            if hull.state is HullState.AT_SEA:
                return Outcome.fail(ErrCode.WRONG_STATE, f"hull {hull_no} is at sea")
            if self.repo.fetch_open_for(hull_no) is not None:
                return Outcome.fail(ErrCode.ALREADY_ON_FILE, f"hull {hull_no} is under survey")
            survey_id = self.ctx.next_serial("SRV")
            survey = self.repo.insert_row(
                Survey(survey_id=survey_id, hull_no=hull_no, opened_at=self.ctx.clock.now_stamp())
            )
            self.ctx.ledger.post_event("fleet.survey.opened", survey_id=survey_id, hull_no=hull_no)
            span.note("survey_id", survey_id)
            span.note("hull_no", hull_no)
            return Outcome.ok(survey)

    def add_finding(self, survey_id: str, grade: FindingGrade) -> Outcome[Survey]:
        """Add one finding to an open survey.

        Fails with NOT_ON_FILE, ROW_LOCKED.
        """
        require_grant(self.ctx, "fleet.survey.add_finding")
        require_slot(self.ctx, "survey_id", survey_id)
        with trace_span("harbor.fleet.survey.add_finding", self.ctx) as span:
            survey = self.repo.fetch_one_by("survey_id", survey_id)
            if survey is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"survey {survey_id} is not on file")
            if survey.closed:
                return Outcome.fail(ErrCode.ROW_LOCKED, f"survey {survey_id} is closed")
            survey = self.repo.save_row(survey.with_changes(findings=(*survey.findings, grade)))
            self.ctx.ledger.post_event(
                "fleet.survey.finding_added", survey_id=survey_id, grade=grade.value
            )
            span.note("survey_id", survey_id)
            span.note("grade", grade.value)
            return Outcome.ok(survey)

    def close_survey(self, survey_id: str) -> Outcome[Survey]:
        """Close a survey and extend the fitness by its worst grade.

        Fails with NOT_ON_FILE, ROW_LOCKED.
        """
        require_grant(self.ctx, "fleet.survey.close_survey")
        require_slot(self.ctx, "survey_id", survey_id)
        with trace_span("harbor.fleet.survey.close_survey", self.ctx) as span:
            survey = self.repo.fetch_one_by("survey_id", survey_id)
            if survey is None:
                return Outcome.fail(ErrCode.NOT_ON_FILE, f"survey {survey_id} is not on file")
            if survey.closed:
                return Outcome.fail(ErrCode.ROW_LOCKED, f"survey {survey_id} is closed")
            worst = survey.worst_grade()
            # Quay note: danger extends nothing. The hull stays unfit until it comes back clean.
            if worst is not FindingGrade.DANGER:
                extended = self.hulls.extend_fitness(survey.hull_no, GRADE_DAYS[worst])
                if not extended.is_ok:
                    return extended.carry_failure()
            survey = self.repo.save_row(survey.with_changes(closed=True))
            self.ctx.ledger.post_event(
                "fleet.survey.closed", survey_id=survey_id, findings=len(survey.findings)
            )
            span.note("survey_id", survey_id)
            return Outcome.ok(survey)
