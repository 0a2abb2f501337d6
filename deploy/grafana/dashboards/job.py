"""What happens to a job, from its creation to its result, over all jobs of the time range."""
from .model import BAD, GOOD, WARNING, bars, dashboard, heatmap, mean, of, quantile, series, stat, steps

SUCCEEDED = 'state="SUCCEEDED"'

WHOLE = [
    stat("Jobs", "Jobs that ended in the time range.", "none", (of("kprune_jobs_finished_total", over="$__range"), ""), decimals=0,
         width=4),
    stat("Success", "Share of them that ended well.", "percentunit",
         (of("kprune_jobs_finished_total", SUCCEEDED, over="$__range") + " / " + of("kprune_jobs_finished_total", over="$__range"), ""),
         low=0, high=1, thresholds=steps(BAD, (0.8, WARNING), (0.95, GOOD)), width=4),
    stat("Wait", "Median time from creation to the first claim.", "s",
         (quantile(0.5, "kprune_queue_wait_seconds", over="$__range"), ""), width=4),
    stat("Whole job", "Median time from creation to success, the wait included.", "s",
         (quantile(0.5, "kprune_job_seconds", SUCCEEDED, over="$__range"), ""), width=4),
    stat("FLOPs removed", "Median over the jobs that succeeded.", "percentunit",
         (quantile(0.5, "kprune_flops_removed_ratio", over="$__range"), ""), low=0, high=1, width=4),
    # The comparison drops the measures that no job had.
    stat("Agreement", "Median agreement with the original on held-out samples: the share of equal predictions (top1), the cosine of "
         "embeddings, the rank correlation of outputs (spearman).", "percentunit",
         (quantile(0.5, "kprune_agreement_ratio", by="measure", over="$__range") + " >= 0", "{{measure}}"), low=0, high=1, width=4,
         text="value_and_name",
         thresholds=steps(BAD, (0.8, WARNING), (0.9, GOOD))),
]

TIME = [
    bars("Where the time goes", "Mean seconds of each phase of a job, over the time range.", "s",
         (mean("kprune_phase_seconds", by="phase", over="$__range"), "{{phase}}")),
    series("Phases", "Mean seconds of each phase, stacked: together the time a job computes.", "s",
           (mean("kprune_phase_seconds", by="phase"), "{{phase}}"), stacked=True),
    series("Long phases", "95 % of the jobs spend no longer in the phase.", "s",
           (quantile(0.95, "kprune_phase_seconds", by="phase"), "{{phase}}")),
    series("Whole job", "From creation to the end, by how it ended.", "s",
           (quantile(0.5, "kprune_job_seconds", by="state"), "{{state}} median"),
           (quantile(0.95, "kprune_job_seconds", by="state"), "{{state}} 95 %")),
    heatmap("Durations of jobs that succeeded", "How many jobs took how long.", "s",
            of("kprune_job_seconds_bucket", SUCCEEDED, "le", over="$__rate_interval")),
    heatmap("Waits", "How many jobs waited how long for their first attempt.", "s",
            of("kprune_queue_wait_seconds_bucket", by="le", over="$__rate_interval")),
]

SUBLAYERS = [
    series("Sublayers", "Mean seconds to measure, search and tune one sublayer, by kind.", "s",
           (mean("kprune_sublayer_seconds", by="kind"), "{{kind}}")),
    series("Slow sublayers", "95 % of the sublayers take no longer.", "s",
           (quantile(0.95, "kprune_sublayer_seconds", by="kind"), "{{kind}}")),
    bars("Solved by", "Sublayers by the solver that tuned them, over the time range. Anything but cholesky is a rank-deficient or "
         "ill-conditioned problem: more samples help.", "none",
         (of("kprune_sublayers_solved_total", by="solver", over="$__range"), "{{solver}}")),
]

RESULT = [
    series("FLOPs removed", "Share of the prunable FLOPs that results are without.", "percentunit",
           (quantile(0.1, "kprune_flops_removed_ratio"), "10 %"), (quantile(0.5, "kprune_flops_removed_ratio"), "median"),
           (quantile(0.9, "kprune_flops_removed_ratio"), "90 %"), high=1),
    series("Parameters removed", "Share of the parameters that results are without.", "percentunit",
           (quantile(0.1, "kprune_parameters_removed_ratio"), "10 %"), (quantile(0.5, "kprune_parameters_removed_ratio"), "median"),
           (quantile(0.9, "kprune_parameters_removed_ratio"), "90 %"), high=1),
    series("Agreement with the original", "On samples that were not used for pruning, by what it is measured. A fall without a change of "
           "budget means other models or worse samples.", "percentunit",
           (quantile(0.1, "kprune_agreement_ratio", by="measure"), "{{measure}} 10 %"),
           (quantile(0.5, "kprune_agreement_ratio", by="measure"), "{{measure}} median"),
           (quantile(0.9, "kprune_agreement_ratio", by="measure"), "{{measure}} 90 %"), high=1),
]

AROUND = [
    series("Bytes a job moves", "Uploaded, fetched from elsewhere and downloaded, for each job that ended.", "bytes",
           (of("kprune_transfer_bytes_total", by="direction") + " / on () group_left () "
            + of("kprune_jobs_finished_total"), "{{direction}}")),
    series("Attempts a job", "1 where nothing goes wrong.", "none",
           (of("kprune_job_attempts_total") + " / " + of("kprune_jobs_finished_total"), "attempts")),
    series("Watching", "Watches of jobs under way: somebody, or something, waits for these.", "none",
           ('sum (kprune_open_streams{method=~".*/WatchJob", instance=~"$instance"})', "watches")),
]

DASHBOARD = dashboard(
    "kprune-job", "kprune: a job's life", "Where the time of jobs goes, and what comes out. Jobs have no series of their own: what is "
    "shown is all jobs of the time range; one job's events are what `kprune watch JOB` tells.",
    [("Jobs of the time range", WHOLE), ("Time", TIME), ("Sublayers", SUBLAYERS), ("Results", RESULT),
     ("Around it", AROUND)])
