"""Planner of a study's GPU jobs, each with its work and its memory."""

from safegrid.cost.engine_jobs import EngineJobs
from safegrid.cost.jobs import Job
from safegrid.cost.training_jobs import TrainingJobs


class Planner(TrainingJobs, EngineJobs):
    """Makes the jobs of a study for a GPU."""

    def jobs(self) -> list[Job]:
        """Return all jobs of the study that a model works in."""
        parts = (
            self.references(),
            self.trainings(),
            self.generations(),
            self.judgements(),
            self.capabilities(),
            self.likelihoods(),
            self.measures(),
            self.calibrations(),
        )
        return [job for part in parts for job in part]
