"""Stand-ins for docker, kind and kubectl, named by the first argument; what they know is in $FAKE_STATE.

They do what deploy/ asks of the real ones, with the real ones' answers and exit codes. Files in $FAKE_STATE steer them:
`kind-fails` (what kind prints before it fails), `kind-hangs` (kind makes its nodes and then waits), `not-ready`,
`no-images` (none is there), `down` (the engine), `engine-id`, `no-kubeconfig`, `kernel` (release and configuration),
`kubectl` (the path of the real one, for all but what is waited for).
"""

import json
import os
import sys
import time
import urllib.request
from pathlib import Path

STATE = Path(os.environ["FAKE_STATE"])


def load():
    file = STATE / "docker.json"
    return json.loads(file.read_text()) if file.exists() else {"containers": {}, "networks": {}, "count": 0}


def save(state):
    (STATE / "docker.json").write_text(json.dumps(state))


def fail(text):
    print(text, file=sys.stderr)
    sys.exit(1)


def options(words, flag):
    """Values of a flag given as --flag VALUE or --flag=VALUE."""
    found = [w.partition("=")[2] for w in words if w.startswith(f"--{flag}=")]
    return found + [words[i + 1] for i, w in enumerate(words[:-1]) if w == f"--{flag}"]


def labels_of(words):
    return dict(text.split("=", 1) for text in options(words, "label"))


def matches(thing, filters, labels):
    for text in filters:
        key, _, value = text.partition("=")
        if key == "label":
            name, _, wanted = value.partition("=")
            if name not in labels or (wanted and labels[name] != wanted):
                return False
        elif (key == "network" and thing.get("network") != value) or (key == "name" and value not in thing["name"]):
            return False
    return True


def add(state, name, network, labels, image):
    state["count"] += 1
    ident = f"{state['count']:064x}"[::-1]
    state["containers"][name] = {
        "name": name, "id": ident, "state": "running", "network": network, "labels": labels, "image": image,
    }  # fmt: skip


def docker_ps(state, words):
    for container in state["containers"].values():
        if matches(container, options(words, "filter"), container["labels"]):
            print(container["id"], container["name"], container["state"], sep="\t")


def inspected(network):
    config = [{"Subnet": network["subnet"]}]
    pools = {"Driver": "default", "Config": config}
    return {"Name": network["name"], "Labels": network["labels"], "Scope": "local", "IPAM": pools}


def docker_network(state, words):
    verb, words = words[0], words[1:]
    if verb == "ls":
        for network in state["networks"].values():
            if matches(network, options(words, "filter"), network["labels"]):
                print(network["name"])
    elif verb == "inspect":
        found = [state["networks"][name] for name in words]
        print(json.dumps([inspected(network) for network in found]))
    elif verb == "create":
        subnet = options(words, "subnet")[0]
        if any(n["subnet"] == subnet for n in state["networks"].values()):
            fail("Error response from daemon: Pool overlaps with other one on this address space")
        state["networks"][words[-1]] = {"name": words[-1], "subnet": subnet, "labels": labels_of(words)}
    elif verb == "rm":
        if any(c["network"] == words[0] for c in state["containers"].values()):
            fail(f"Error response from daemon: network {words[0]} has active endpoints")
        del state["networks"][words[0]]


def docker(words):
    state = load()
    if (STATE / "down").exists():
        fail("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?")
    match words[0]:
        case "info":
            print(
                (STATE / "engine-id").read_text()
                if words[-1] == "{{.ID}}" and (STATE / "engine-id").exists()
                else "28.0.0"
            )
        case "image":
            if (STATE / "no-images").exists():
                fail(f"Error response from daemon: No such image: {words[-1]}")
        case "pull":
            fail(f"Error response from daemon: pull access denied for {words[-1]}")
        case "ps":
            docker_ps(state, words[1:])
        case "network":
            docker_network(state, words[1:])
        case "rm":
            gone = set(words[1:])
            state["containers"] = {n: c for n, c in state["containers"].items() if not {n, c["id"]} & gone}
        case "run" if "--rm" in words:  # asks for the kernel
            file = STATE / "kernel"
            print(file.read_text() if file.exists() else "6.1.0")
        case "run":
            name, image = options(words, "name")[0], next(w for w in words[1:] if not w.startswith("--"))
            if name in state["containers"]:
                fail(f'docker: Error response from daemon: Conflict. The container name "/{name}" is already in use')
            add(state, name, options(words, "network")[0], labels_of(words), image)
        case other:
            fail(f"docker: '{other}' is not a docker command.")
    save(state)


def kind(words):
    if words == ["version"]:
        print("kind v0.32.0 go1.26 linux/amd64")
        return
    name = options(words, "name")[0]
    if words[:2] == ["get", "kubeconfig"]:
        if (STATE / "no-kubeconfig").exists():
            fail("ERROR: failed to get kubeconfig: could not locate any control plane nodes")
        print((STATE / "kubeconfig").read_text(), end="")
        return
    config = json.loads(sys.stdin.read())
    (STATE / "kind-config.json").write_text(json.dumps(config))
    print(
        f'Creating cluster "{name}" ...\n • Preparing nodes 📦  ...\n ✓ Preparing nodes 📦 ',
        file=sys.stderr,
        flush=True,
    )
    if (STATE / "kind-fails").exists():
        fail((STATE / "kind-fails").read_text())
    state, roles = load(), {}
    for node in config["nodes"]:
        roles[node["role"]] = roles.get(node["role"], 0) + 1
        suffix = "" if roles[node["role"]] == 1 else str(roles[node["role"]])
        labels = {"io.x-k8s.kind.cluster": name, "io.x-k8s.kind.role": node["role"]}
        image = options(words, "image")[0]
        add(state, f"{name}-{node['role']}{suffix}", os.environ["KIND_EXPERIMENTAL_DOCKER_NETWORK"], labels, image)
    save(state)
    (STATE / "kind-made-nodes").touch()
    for _ in range(1200):
        if not (STATE / "kind-hangs").exists():
            break
        time.sleep(0.05)


def full_name(item):
    group, _, version = item["apiVersion"].rpartition("/")
    return f"{item['kind']}.{version}.{group}"


def objects(kubeconfig):
    server = json.loads(Path(kubeconfig).read_text())["clusters"][0]["cluster"]["server"]
    try:
        with urllib.request.urlopen(f"{server}/objects", timeout=10) as answer:
            return json.loads(answer.read())["items"]
    except OSError:
        fail("The connection to the server was refused - did you specify the right host or port?")


def kubectl(words):
    kubeconfig = [word.partition("=")[2] for word in words if word.startswith("--kubeconfig=")]
    words = [word for word in words if not word.startswith("--kubeconfig=")]
    if words[0] == "version":
        print("Client Version: v1.36.1")
        return
    asked = words[0] == "get" and words[1] not in ("secrets", "services")
    waited_for = asked and ("." not in words[1] or "/" in words[1])
    if (STATE / "kubectl").exists() and not waited_for:
        os.execv((STATE / "kubectl").read_text(), ["kubectl", f"--kubeconfig={kubeconfig[0]}", *words])
    if words[:2] == ["config", "view"]:
        print((STATE / "kubeconfig").read_text())
        return
    if words[:3] == ["get", "namespace", "kube-system"]:
        print((STATE / "identity").read_text() if (STATE / "identity").exists() else "uid-1", end="")
        return
    with (STATE / "kubectl.log").open("a") as log:
        log.write(" ".join(words[:2]) + "\n")
    if words[0] != "get":
        fail(f"error: {words[0]} is not in this stand-in")
    if words[1] == "--filename=-":
        wanted = [(i["kind"], i["metadata"]["name"]) for i in json.loads(sys.stdin.read())["items"]]
        found = [i for i in objects(kubeconfig[0]) if (i["kind"], i["metadata"]["name"]) in wanted]
        print(json.dumps({"items": found}) if found else "")
        return
    if "." in words[1] and "/" not in words[1]:  # Kind.version.group, several of them: what the API server has
        found = objects(kubeconfig[0])
        print(json.dumps({"items": [item for item in found if full_name(item) in words[1].split(",")]}))
        return
    ready = "False" if (STATE / "not-ready").exists() else "True"
    kinds = ("Ready", "Available", "Established")
    status = {"conditions": [{"type": kind, "status": ready, "reason": "KubeletNotReady"} for kind in kinds]}
    meta = {"name": "one", "namespace": "default"}
    print(json.dumps({"items": [{"metadata": meta, "status": status}] * 3}))


if __name__ == "__main__":
    {"docker": docker, "kind": kind, "kubectl": kubectl}[sys.argv[1]](sys.argv[2:])
