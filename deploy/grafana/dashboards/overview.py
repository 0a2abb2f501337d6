"""Is it up, does the queue move, who is turned away: the page to open first."""
from .model import BAD, GOOD, WARNING, dashboard, of, quantile, series, stat, steps, timeline

NOW = [
    stat("Servers", "Servers that Prometheus scrapes.", "none",
         ('count(kprune_build_info{instance=~"$instance"}) or vector(0)', ""), thresholds=steps(BAD, (1, GOOD))),
    stat("Waiting", "Jobs that wait for a device, or for their next attempt.", "none",
         ('sum(kprune_jobs{state=~"QUEUED|RETRY_WAIT", instance=~"$instance"})', "")),
    stat("Running", "Jobs that a worker is at.", "none", ('sum(kprune_jobs{state="RUNNING", instance=~"$instance"})', "")),
    stat("Oldest waiting", "How long the job has waited that has waited longest, of any priority.", "s",
         ('max(kprune_queue_oldest_seconds{instance=~"$instance"})', ""), thresholds=steps(GOOD, (900, WARNING), (3600, BAD))),
    stat("Succeeded", "Jobs that ended well in the time range.", "none",
         (of("kprune_jobs_finished_total", 'state="SUCCEEDED"', over="$__range"), ""), decimals=0),
    stat("Failed", "Jobs that failed in the time range, for whatever reason.", "none",
         (of("kprune_jobs_finished_total", 'state="FAILED"', over="$__range"), ""), decimals=0,
         thresholds=steps(GOOD, (1, WARNING), (10, BAD))),
    stat("Disk free", "Share of the disk that is free, where it is least.", "percentunit",
         ('min(kprune_disk_free_bytes{instance=~"$instance"} / kprune_disk_size_bytes)', ""),
         thresholds=steps(BAD, (0.05, WARNING), (0.15, GOOD)), low=0, high=1),
    stat("Alerts", "Alerts of kprune.rules.yml that fire now.", "none",
         ('count(ALERTS{alertname=~"Kprune.*", alertstate="firing"}) or vector(0)', ""), thresholds=steps(GOOD, (1, BAD))),
]

QUEUE = [
    series("Jobs by state", "Jobs that are not finished. Finished ones stay until they are deleted; see the storage dashboard.",
           "none", ('sum by (state) (kprune_jobs{state=~"QUEUED|RUNNING|RETRY_WAIT", instance=~"$instance"})', "{{state}}"),
           stacked=True),
    series("Oldest waiting job", "Age of the job that has waited longest, by priority (high: above 0, low: below).", "s",
           ('max by (priority) (kprune_queue_oldest_seconds{instance=~"$instance"})', "{{priority}}")),
    series("Wait before the first attempt", "From a job's creation until a device claimed it.", "s",
           (quantile(0.5, "kprune_queue_wait_seconds"), "median"), (quantile(0.95, "kprune_queue_wait_seconds"), "95 %")),
    series("Jobs that ended", "By outcome, counted over the window.", "none",
           (of("kprune_jobs_finished_total", by="state"), "{{state}}"), stacked=True),
    series("Why jobs failed", "By the code of their error. INVALID_ARGUMENT and FAILED_PRECONDITION are their owners' to mend.",
           "none", (of("kprune_jobs_finished_total", 'state="FAILED"', "code"), "{{code}}"), stacked=True),
    series("Attempts a job", "Claims for each job that ended; above 1 where workers crash or servers restart.", "none",
           (f'{of("kprune_job_attempts_total")} / {of("kprune_jobs_finished_total")}', "attempts")),
]

WORKERS = [
    series("Workers that ended", "By reason, counted over the window. Killed are those beyond a limit, or out of memory.", "none",
           (of("kprune_worker_exits_total", by="reason"), "{{reason}}"), stacked=True),
    series("Second tries", "Workers started for a job that had been tried before, times that one went on with smaller batches because "
           "memory ran out, and writes that came too late and were refused.", "none",
           (of("kprune_worker_restarts_total"), "restarts"), (of("kprune_oom_retries_total"), "out of memory"),
           (of("kprune_fenced_writes_total"), "fenced writes")),
    series("Devices that work", "Share of the devices that a worker runs on.", "percentunit",
           ('avg(kprune_device_busy{instance=~"$instance"})', "busy"), high=1),
]

CALLS = [
    series("Calls", "Calls a second, by method.", "reqps",
           (of("kprune_rpc_seconds_count", by="method", over="$__rate_interval", function="rate"), "{{method}}")),
    series("Calls that failed", "By method and code, counted over the window. Not every one is a fault: a job may not exist.", "none",
           (of("kprune_rpc_seconds_count", 'code!="OK"', "method, code"), "{{method}} {{code}}"), stacked=True),
    series("Duration of calls", "95 % of the calls take no longer. Uploads, downloads and watches are streams and last as they "
           "should, so they are not here.", "s",
           (quantile(0.95, "kprune_rpc_seconds", by="method") + " unless on (method) kprune_open_streams", "{{method}}")),
    series("Open streams", "Uploads, downloads and watches under way.", "none",
           ('sum by (method) (kprune_open_streams{instance=~"$instance"})', "{{method}}"), stacked=True),
    series("Turned away", "Calls without a token, with a wrong one, without the role, or too many of them.", "none",
           (of("kprune_auth_failures_total", by="reason"), "{{reason}}"), stacked=True),
    series("Quotas", "Calls that were refused because a tenant is at a quota, by quota.", "none",
           (of("kprune_quota_refusals_total", by="quota"), "{{quota}}"), stacked=True),
]

PROCESSES = [
    series("Processor", "Processors that servers and exporter use; workers are processes of their own.", "none",
           ('rate(process_cpu_seconds_total{job=~".*kprune.*"}[$__rate_interval])', "{{job}} {{instance}}"), width=6),
    series("Memory", "Resident memory of servers and exporter.", "bytes",
           ('process_resident_memory_bytes{job=~".*kprune.*"}', "{{job}} {{instance}}"), width=6),
    series("Open descriptors", "Files and connections of servers and exporter.", "none",
           ('process_open_fds{job=~".*kprune.*"}', "{{job}} {{instance}}"), width=6),
    series("Since the start", "How long the processes have been running.", "s",
           ('time() - process_start_time_seconds{job=~".*kprune.*"}', "{{job}} {{instance}}"), width=6),
    series("Certificates", "Time until they expire.", "s",
           ('kprune_certificate_expiry_timestamp_seconds{instance=~"$instance"} - time()', "{{certificate}} {{instance}}"),
           thresholds=steps(BAD, (14 * 86400, GOOD)), low=None),
    series("Files that were not taken", "Times that changed files could not be used, so that the old certificates, or the old list of who "
           "has access, stayed.", "none",
           (of("kprune_certificate_reload_failures_total"), "certificates"),
           (of("kprune_access_file_reload_failures_total"), "access file")),
    stat("Versions", "Servers and exporters by version.", "none",
         ("count by (version) (kprune_build_info or kprune_exporter_build_info)", "{{version}}"), width=8, height=8,
         text="value_and_name"),
]

FLEET = [
    timeline("Servers, as the exporter reaches them", "By calls of gRPC, as clients do.", "max by (server) (kprune_up)", "{{server}}",
             {0: ("does not answer", BAD), 1: ("answers", GOOD)}, width=8, height=8),
    series("Backlog", "Jobs that wait or run, counted once for all servers: what autoscaling follows.", "none",
           ("max(kprune_queue_backlog)", "backlog"), ("max by (state) (kprune_queue_jobs{state=~\"QUEUED|RUNNING|RETRY_WAIT\"})",
                                                      "{{state}}")),
    series("Time to ask a server", "How long the exporter's calls took.", "s",
           ("max by (server) (kprune_scrape_seconds)", "{{server}}")),
]

DASHBOARD = dashboard(
    "kprune-overview", "kprune: overview", "Is it up, does the queue move, who is turned away.",
    [("Now", NOW), ("Queue", QUEUE), ("Workers", WORKERS), ("Calls", CALLS), ("Processes and certificates", PROCESSES),
     ("All servers (needs kprune-exporter)", FLEET)])
