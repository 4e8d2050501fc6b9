"""A Slurm of two nodes with two pretended GPUs each, on this host; run as a program it says what is missing."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from waiting import wait_until

PROGRAMS = {"munged": "munge", "slurmctld": "slurmctld", "slurmd": "slurmd", "sbatch": "slurm-client"}
"""What must be there, and the Debian package that has it."""

SEARCHED = f"{os.environ['PATH']}:/usr/sbin:/sbin"

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdSpoolDir={folder}/spool-%n
SlurmdPidFile={folder}/%n.pid
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerParameters=sched_interval=2,bf_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=20
GresTypes=gpu
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=1000 Gres=gpu:2
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=1000 Gres=gpu:2
PartitionName=low Nodes=ALL PriorityTier=1 Default=YES
PartitionName=high Nodes=ALL PriorityTier=9
"""


def missing_packages():
    return sorted({package for program, package in PROGRAMS.items() if not shutil.which(program, path=SEARCHED)})


class Cluster:
    """The daemons; `environment` is what its clients need."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        self.daemons: list[subprocess.Popen] = []

    def __enter__(self):
        for name in ("state", "spool-n1", "spool-n2"):
            (self.folder / name).mkdir()
        (self.folder / "slurm.conf").write_text(
            CONFIGURATION.format(
                host=socket.gethostname().partition(".")[0], folder=self.folder, ports=free_ports(3), user=user()
            )
        )
        for number in range(4):  # their numbers are what a task finds in CUDA_VISIBLE_DEVICES
            (self.folder / f"nvidia{number}").symlink_to("/dev/null")
        gpus = "NodeName={} Name=gpu File={}/nvidia[{}]\n".format
        text = gpus("n1", self.folder, "0-1") + gpus("n2", self.folder, "2-3")
        (self.folder / "gres.conf").write_text(text)
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(64))
        self._start("munged", "--foreground", "--force", *(f"--{name}={self.folder}/munge.{end}" for name, end in [
            ("key-file", "key"), ("socket", "socket"), ("pid-file", "pid"), ("log-file", "log"), ("seed-file", "seed"),
        ]))  # fmt: skip
        wait_until(lambda: (self.folder / "munge.socket").exists(), self.logs)
        self._start("slurmctld", "-D", "-c")
        for node in ("n1", "n2"):
            self._start("slurmd", "-D", "-N", node)
        wait_until(lambda: self.ask("sinfo", "-hN", "-o", "%T").split().count("idle") == 4, self.logs)
        return self

    def __exit__(self, *_):
        subprocess.run(["scancel", "--me", "--signal=KILL"], env=os.environ | self.environment, timeout=30, check=False)
        for daemon in reversed(self.daemons):
            daemon.send_signal(signal.SIGTERM)
        for daemon in reversed(self.daemons):
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def ask(self, *words):
        done = subprocess.run(words, env=os.environ | self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 or words[0] == "sinfo", done.stderr
        return done.stdout

    def kill(self, task, *which):
        """Kill the training processes of a task, or those with some variable, as a machine does that lacks memory."""
        number, _, index = task.partition("_")
        words = {f"SLURM_ARRAY_JOB_ID={number}", f"SLURM_ARRAY_TASK_ID={index}", f"SLURM_CONF={self.folder}/slurm.conf"}
        words |= set(which)
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended, or is another user's
                ours = words <= set((process / "environ").read_text(errors="replace").split("\0"))
                if ours and b"msaseg.train" in (process / "cmdline").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)

    def logs(self):
        files = [*self.folder.glob("*.log"), *self.folder.glob("*.out")]
        return "\n".join(f"{file.name}: {file.read_text(errors='replace')[-2000:]}" for file in files)

    def _start(self, program, *words):
        with (self.folder / f"{program}-{len(self.daemons)}.out").open("w") as output:
            self.daemons.append(
                subprocess.Popen(
                    [shutil.which(program, path=SEARCHED), *words],
                    env=os.environ | self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                )
            )  # fmt: skip


def user():
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


if __name__ == "__main__" and missing_packages():
    sys.exit(
        f"error: a Slurm of its own needs programs that are missing: apt-get install {' '.join(missing_packages())}"
    )
