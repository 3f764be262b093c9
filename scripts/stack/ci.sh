#!/usr/bin/env bash
# Test the infrastructure as far as this machine allows, and name each test that is skipped. In CI
# a skipped test is a failure, unless CI_MAY_SKIP names the missing program: terraform, docker.
#   ci.sh           make test-infra, then make test-e2e and make test-compose
#   ci.sh docker    only install Docker and start its daemon
set -euo pipefail
cd "$(dirname "$0")/../.."

# Exit and say which tests ($1) are skipped, which program is missing ($2), and why ($3).
skip() {
    echo "skipped: $1 ($3)"
    if [[ -n "${CI:-}" && " ${CI_MAY_SKIP:-} " != *" $2 "* ]]; then
        echo "error: CI fails on what it skips, unless CI_MAY_SKIP names $2: $3" >&2
        exit 1
    fi
    exit 0
}

# Install Docker's engine, and debootstrap for stand-in base images, from Debian's packages.
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
    # In a session of its own: the daemon must go on when this script ends.
    setsid nohup dockerd >"$log" 2>&1 </dev/null &
    for _ in $(seq 60); do
        if docker info >/dev/null 2>&1; then
            echo "Docker's daemon is up"
            return
        fi
        sleep 1
    done
    # Frequent causes: no overlay file system, or an old iptables.
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

# Docker's `compose`, from Debian 13 if it is missing: Debian 12 has only its predecessor. It stands in a
# folder of this project's, so nothing else on this machine sees it.
have_compose() {
    if docker compose version >/dev/null 2>&1; then
        return
    fi
    export DOCKER_CONFIG="$PWD/.data/stack/docker"
    if docker compose version >/dev/null 2>&1; then
        return
    fi
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        return 1
    fi
    echo "Fetching docker-compose from Debian 13"
    local work
    work="$(mktemp -d)"
    chmod 755 "$work"
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$DOCKER_CONFIG/cli-plugins"
    # From where this machine's own packages come. apt-get reads the field itself.
    local site
    # shellcheck disable=SC2016
    site="$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -v security | head -n 1)"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site trixie main" \
        >"$work/sources.list"
    (
        cd "$work"
        options=(-o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
            -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
        apt-get "${options[@]}" update >/dev/null
        apt-get "${options[@]}" download docker-compose >/dev/null
        dpkg-deb --extract docker-compose_*.deb files
    )
    cp "$work/files/usr/libexec/docker/cli-plugins/docker-compose" "$DOCKER_CONFIG/cli-plugins/"
    rm -rf "$work"
    docker compose version
}

if [[ "${1:-}" == docker ]]; then
    have_docker
    exit
fi

if ! command -v terraform >/dev/null; then
    skip "test-infra, test-e2e and test-compose" terraform \
        "terraform is not installed: https://developer.hashicorp.com/terraform/install"
fi
make test-infra

if ! have_docker; then
    skip "test-e2e and test-compose" docker "no Docker daemon answers, and only root could install one"
fi
make test-e2e

if ! have_compose; then
    skip test-compose docker "docker has no compose, and only root could install it"
fi
make test-compose
