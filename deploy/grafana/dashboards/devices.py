"""Devices and the workers on them."""
from .model import BAD, GOOD, WARNING, dashboard, of, series, stat, steps, timeline

MEMORY_SHARE = 'kprune_device_memory_used_bytes{instance=~"$instance"} / kprune_device_memory_bytes'
FULL = steps(GOOD, (0.85, WARNING), (0.95, BAD))

NOW = [
    stat("Devices", "Devices that run one job each.", "none", ('count(kprune_device_busy{instance=~"$instance"})', ""), width=6),
    stat("Busy", "Devices that a worker runs on.", "none", ('sum(kprune_device_busy{instance=~"$instance"})', ""), width=6),
    stat("Busy in the time range", "Share of the time that devices had a worker.", "percentunit",
         ('avg(avg_over_time(kprune_device_busy{instance=~"$instance"}[$__range]))', ""), low=0, high=1, width=6),
    stat("Fullest memory", "Share of its memory in use, of the device that has least left.", "percentunit",
         (f"max({MEMORY_SHARE})", ""), thresholds=FULL, low=0, high=1, width=6),
]

USE = [
    timeline("Devices", "When a worker runs on a device.", 'max by (instance, device) (kprune_device_busy{instance=~"$instance"})',
             "{{instance}} {{device}}", {0: ("idle", "gray"), 1: ("busy", GOOD)}),
    series("Busy", "Share of the window that a device had a worker.", "percentunit",
           ('avg_over_time(kprune_device_busy{instance=~"$instance"}[$window])', "{{instance}} {{device}}"), high=1),
    series("Utilisation", "Of a GPU, as its driver tells; of a cpu, the share of the machine's processors in use.", "percentunit",
           ('kprune_device_utilization_ratio{instance=~"$instance"}', "{{instance}} {{device}}"), high=1),
    series("Jobs and idle devices", "Jobs that wait while devices idle are waiting for something else: see KpruneDeviceIdle.", "none",
           ('sum(kprune_jobs{state="QUEUED", instance=~"$instance"})', "waiting"),
           ('sum(1 - kprune_device_busy{instance=~"$instance"})', "idle devices")),
]

MEMORY = [
    series("Memory in use", "Of a GPU its own; of a cpu the machine's.", "bytes",
           ('kprune_device_memory_used_bytes{instance=~"$instance"}', "{{instance}} {{device}} used"),
           ('kprune_device_memory_bytes{instance=~"$instance"}', "{{instance}} {{device}} size"), width=12),
    series("Share of memory in use", "Above 95 % jobs run out of memory.", "percentunit",
           (MEMORY_SHARE, "{{instance}} {{device}}"), thresholds=FULL, high=1, width=12),
]

WORKERS = [
    series("Workers that ended", "By reason, counted over the window. Killed are those beyond a limit, or out of memory.", "none",
           (of("kprune_worker_exits_total", by="reason"), "{{reason}}"), stacked=True),
    series("Out of memory", "Times that a worker ran out of memory and went on with smaller batches.", "none",
           (of("kprune_oom_retries_total"), "retries")),
    series("Restarts", "Workers started for a job that had been tried before.", "none",
           (of("kprune_worker_restarts_total"), "restarts")),
]

DASHBOARD = dashboard("kprune-devices", "kprune: devices", "Devices and the workers on them.",
                      [("Now", NOW), ("Use", USE), ("Memory", MEMORY), ("Workers", WORKERS)])
