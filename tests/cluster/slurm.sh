#!/usr/bin/env bash
# A SLURM cluster of two nodes on this one machine, with everything it writes in one folder.
#   apt-get install slurm-wlm munge
#   tests/cluster/slurm.sh up FOLDER      then: export SLURM_CONF=FOLDER/slurm.conf; srun --nodes=2 hostname
#   tests/cluster/slurm.sh down FOLDER
# The nodes are called rocks1 and rocks2; a line in /etc/hosts makes the names known while it is up.
set -euo pipefail
action=${1:?up or down} folder=$(realpath -m "${2:?FOLDER}")
sudo=$([ "$(id -u)" = 0 ] || echo sudo)
user=$(id -un) here=$(hostname -s)
export SLURM_CONF=$folder/slurm.conf

stop() {
    for name in slurmctld slurmd-rocks1 slurmd-rocks2 munged; do
        pid=$(cat "$folder/$name.pid" 2> /dev/null) || continue
        kill "$pid" 2> /dev/null || continue
        for _ in $(seq 100); do kill -0 "$pid" 2> /dev/null || break; sleep 0.1; done
    done
    # a file that is bound in a container can be written to, but not replaced
    others=$(grep -v ' rocks1 rocks2$' /etc/hosts)
    echo "$others" | $sudo tee /etc/hosts > /dev/null
}

if [ "$action" = down ]; then
    scancel --user="$user" 2> /dev/null || true
    stop
    exit
fi

mkdir -p "$folder"/{state,rocks1,rocks2}
echo '127.0.0.1 rocks1 rocks2' | $sudo tee -a /etc/hosts > /dev/null
trap 'stop; tail -n 20 "$folder"/*.log' ERR
# who is who: each daemon and command has the same key
(umask 077; head -c 128 /dev/urandom > "$folder/munge.key")
munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
    --log-file="$folder/munged.log" --seed-file="$folder/munge.seed"
cat > "$SLURM_CONF" << END
ClusterName=rocks
SlurmctldHost=$here(127.0.0.1)
SlurmctldPort=16817
SlurmUser=$user
SlurmdUser=$user
AuthInfo=socket=$folder/munge.socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd-%n.log
# plain processes: no control groups, which a container may not have
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
KillWait=5
SlurmctldParameters=enable_configless
NodeName=rocks1 NodeHostname=$here NodeAddr=127.0.0.1 Port=17001 CPUs=1 State=UNKNOWN
NodeName=rocks2 NodeHostname=$here NodeAddr=127.0.0.1 Port=17002 CPUs=1 State=UNKNOWN
PartitionName=main Nodes=rocks[1-2] Default=YES State=UP
END
slurmctld
slurmd -N rocks1
slurmd -N rocks2
for _ in $(seq 60); do
    [ "$(sinfo --noheader --states=idle --format=%D)" = 2 ] && exit
    sleep 1
done
echo 'the nodes did not come up' >&2
false
