#!/usr/bin/env bash
# A real SLURM of one node on this machine, for tests: slurm.sh start FOLDER | stop FOLDER
#
# Needs Debian's slurm-wlm and munge, and root. Configuration, state and logs lie in FOLDER; export
# SLURM_CONF=FOLDER/slurm.conf to use it.
set -euo pipefail
action=$1 folder=$(realpath -m "$2")

start() {
    mkdir -p "$folder"/{ctld,d,munge}
    chmod 755 "$folder" && chmod 700 "$folder/munge"
    head -c 1024 /dev/urandom > "$folder/munge/key"
    chmod 400 "$folder/munge/key"
    chown -R munge "$folder/munge"
    # the key is of this folder: a munge that runs already is left alone
    runuser -u munge -- munged --force --key-file "$folder/munge/key" --socket "$folder/munge/socket" \
        --pid-file "$folder/munge/pid" --log-file "$folder/munge/log" --seed-file "$folder/munge/seed"
    local host memory
    host=$(hostname -s)
    memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
    cat > "$folder/slurm.conf" <<CONF
ClusterName=one
SlurmctldHost=$host
SlurmUser=root
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
StateSaveLocation=$folder/ctld
SlurmdSpoolDir=$folder/d
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
MailProg=/bin/true
NodeName=$host CPUs=$(nproc --all) RealMemory=$memory State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
    export SLURM_CONF="$folder/slurm.conf"
    chmod 755 "$folder/munge"
    slurmctld
    sleep 2
    slurmd
    for _ in $(seq 60); do
        sinfo --noheader --format %T 2>/dev/null | grep -q idle && break
        sleep 0.5
    done
    sinfo
}

stop() {
    local file
    for file in "$folder"/{slurmd.pid,slurmctld.pid,munge/pid}; do
        [ -s "$file" ] && kill "$(cat "$file")" 2>/dev/null || true
    done
}

"$action"
