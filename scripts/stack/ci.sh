#!/usr/bin/env bash
# Tests the infrastructure wherever it can be tested, and says by name what it leaves out. In CI
# that is a failure unless CI_MAY_SKIP names what is missing: terraform, docker.
#   ci.sh           make test-infra, then make test-e2e
#   ci.sh docker    only has Docker installed and its daemon up
set -euo pipefail
cd "$(dirname "$0")/../.."

# Ends here, saying what is left out ($1), for want of what ($2), and why ($3).
skip() {
    echo "skipped: $1 ($3)"
    if [[ -n "${CI:-}" && " ${CI_MAY_SKIP:-} " != *" $2 "* ]]; then
        echo "That fails in CI unless CI_MAY_SKIP names $2." >&2
        exit 1
    fi
    exit 0
}

# Docker's engine from Debian's packages, and debootstrap for stand-in base images.
install_docker() {
    if command -v dockerd >/dev/null && command -v debootstrap >/dev/null; then
        return
    fi
    echo "Installing Docker and debootstrap from Debian's packages"
    apt-get update >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        docker.io debootstrap iptables >/dev/null
}

start_docker() {
    if docker info >/dev/null 2>&1; then
        return
    fi
    mkdir -p .data/stack
    local log=.data/stack/dockerd.log
    # Not this script's child: the daemon outlives it, as one started by the system would.
    setsid nohup dockerd >"$log" 2>&1 </dev/null &
    for _ in $(seq 60); do
        if docker info >/dev/null 2>&1; then
            echo "Docker's daemon is up"
            return
        fi
        sleep 1
    done
    # Some machines have no overlay file system, or no iptables of the newer kind.
    echo "Docker's daemon did not start:" >&2
    tail -n 5 "$log" >&2
    return 1
}

have_docker() {
    if docker info >/dev/null 2>&1 && command -v debootstrap >/dev/null; then
        return
    fi
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        docker info >/dev/null 2>&1
        return
    fi
    install_docker
    start_docker
}

if [[ "${1:-}" == docker ]]; then
    have_docker
    exit
fi

if ! command -v terraform >/dev/null; then
    skip "test-infra and test-e2e" terraform "terraform is not on this machine"
fi
make test-infra

if ! have_docker; then
    skip test-e2e docker "no Docker daemon, and no root to install one"
fi
make test-e2e
