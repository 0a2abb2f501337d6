"""Disk, artifacts, transfers and the database."""
from .model import BAD, GOOD, WARNING, dashboard, heatmap, of, quantile, series, stat, steps

NOW = [
    stat("Disk free", "Share of the disk that is free, where it is least.", "percentunit",
         ('min(kprune_disk_free_bytes{instance=~"$instance"} / kprune_disk_size_bytes)', ""),
         thresholds=steps(BAD, (0.05, WARNING), (0.15, GOOD)), low=0, high=1, width=4),
    stat("Until uploads are refused", "Bytes above --disk-low-bytes, where they are fewest.", "bytes",
         ('min(kprune_disk_free_bytes{instance=~"$instance"} - kprune_disk_low_bytes)', ""),
         thresholds=steps(BAD, (2 ** 30, WARNING), (10 * 2 ** 30, GOOD)), width=4),
    stat("In a day", "Free bytes in 24 hours, if it goes on as in the last 6.", "bytes",
         ('min(predict_linear(kprune_disk_free_bytes{instance=~"$instance"}[6h], 86400))', ""),
         thresholds=steps(BAD, (2 ** 30, WARNING), (10 * 2 ** 30, GOOD)), width=4),
    stat("Artifacts", "Stored files: models, samples and results.", "none", ('sum(kprune_artifacts{instance=~"$instance"})', ""),
         width=4),
    stat("Artifact bytes", "What they take.", "bytes", ('sum(kprune_artifact_bytes{instance=~"$instance"})', ""), width=4),
    stat("Rotten artifacts", "Jobs and downloads of the time range that met an artifact whose bytes had changed.", "none",
         ('sum(increase(kprune_jobs_finished_total{code="DATA_LOSS", instance=~"$instance"}[$__range])) or vector(0)', ""),
         thresholds=steps(GOOD, (1, BAD)), decimals=0, width=4),
]

DISK = [
    series("Free disk", "Free bytes, and the mark below which uploads and fetches are refused.", "bytes",
           ('kprune_disk_free_bytes{instance=~"$instance"}', "{{instance}} free"),
           ('kprune_disk_low_bytes{instance=~"$instance"}', "{{instance}} mark")),
    series("Artifact bytes", "Of all stored files.", "bytes", ('kprune_artifact_bytes{instance=~"$instance"}', "{{instance}}")),
    series("Artifacts and finished jobs", "Finished jobs keep their results until they are deleted (--keep-finished-seconds).", "none",
           ('sum(kprune_artifacts{instance=~"$instance"})', "artifacts"),
           ('sum(kprune_jobs{state=~"SUCCEEDED|FAILED|CANCELLED", instance=~"$instance"})', "finished jobs")),
]

TRANSFERS = [
    series("Transfers", "Bytes a second that clients upload and download, and that are fetched from elsewhere.", "Bps",
           (of("kprune_transfer_bytes_total", by="direction", over="$__rate_interval", function="rate"), "{{direction}}")),
    series("Resumed transfers", "Transfers that went on where an earlier one broke off, counted over the window.", "none",
           (of("kprune_transfer_resumes_total", by="direction"), "{{direction}}")),
    series("Open transfers", "Uploads and downloads under way.", "none",
           ('sum by (method) (kprune_open_streams{method=~".*/(Upload|Download)", instance=~"$instance"})', "{{method}}"), stacked=True),
]

DATABASE = [
    series("Commits", "Commits a second: every job, claim and event is one.", "ops",
           (of("kprune_database_commit_seconds_count", over="$__rate_interval", function="rate"), "commits")),
    series("Duration of commits", "Each waits for the disk (synchronous=FULL).", "s",
           (quantile(0.5, "kprune_database_commit_seconds", over="$__rate_interval"), "median"),
           (quantile(0.99, "kprune_database_commit_seconds", over="$__rate_interval"), "99 %")),
    heatmap("Commits by duration", "How many commits took how long.", "s",
            of("kprune_database_commit_seconds_bucket", by="le", over="$__rate_interval")),
]

DASHBOARD = dashboard("kprune-storage", "kprune: storage", "Disk, artifacts, transfers and the database.",
                      [("Now", NOW), ("Disk", DISK), ("Transfers", TRANSFERS), ("Database", DATABASE)])
