"""What `run_batch` and `cryodl batch` take."""

from cryodl.methods.options import OUTPUT, Option

# Commands that judge one map, or the half maps of one, a row.
JUDGES = ("localres", "enhance", "mask", "classify", "fsc", "oversharpening", "filter", "quality",
    "report")  # fmt: skip
QUEUES = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "sge": "SGECluster", "lsf": "LSFCluster"}

OPTIONS = (
    Option("table", metavar="TABLE", argument=True, required=True, help="CSV or TSV table whose "
        "columns are options of COMMAND (map, half1, half2, mask, voxel-size ...), one row a map; "
        "or a folder of maps, or a pattern such as 'maps/*.mrc'"),
    Option("command", "localres", "what to do with each row, and its options for all rows",
        flag="words", metavar="COMMAND", argument=True, many="rest"),
    OUTPUT,
    Option("scheduler", "local", "where to compute: local, this machine; slurm, pbs, sge or lsf, "
        "jobs of a queue; or the address of a running Dask scheduler",
        metavar="local|slurm|pbs|sge|lsf|ADDRESS"),
    Option("workers", help="workers, each of one row at a time; by default one for each GPU that "
        "is given, or else for each processor core; jobs where there is a queue", kind=int,
        least=1, metavar="N"),
    Option("gpus", help="numbers of this machine's GPUs, such as 0,1, one for each worker; in "
        "SLURM's jobs the number of GPUs of each", metavar="LIST"),
    Option("cores", 1, "processor cores of a job", int, least=1, metavar="N"),
    Option("memory", "8GB", "memory of a job", metavar="SIZE"),
    Option("queue", help="queue, or partition, of the jobs", metavar="NAME"),
    Option("jobqueue", help="any other word of dask-jobqueue's, such as walltime=12:00:00 or "
        "account=em; may be repeated", metavar="WORD=VALUE", many="repeat"),
)  # fmt: skip
