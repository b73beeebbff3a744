# A cluster of one node, kube-proxy in mode ipvs. It is ready when /share/kubeconfig is there, and ends with /share/done.
set -eu
tell() {
    kubectl get pods -A -o wide
    kubectl get events -A --sort-by=.lastTimestamp | tail -n 20
    kubectl -n kube-system logs daemonset/kube-proxy --tail=20
    kubectl -n kube-system logs deployment/coredns --tail=20
}
trap 'set +e; tell; exit 1' ERR
: "${address:=192.0.2.2}"

# What pods and Services use of the kernel. kube-proxy and the CNI plugins find what is loaded.
modules="overlay br_netfilter ip_vs ip_vs_rr ip_vs_wrr ip_vs_sh nf_conntrack dummy sctp xt_set ip_set_hash_ip ip_set_hash_net \
  ip_set_hash_ipport ip_set_hash_ipportip ip_set_hash_ipportnet ip_set_bitmap_port ip_set_hash_netport xt_comment xt_mark xt_MASQUERADE"
for module in $modules; do modprobe "$module" || echo "no module $module"; done
ip link set lo up
ip addr add "$address/30" dev eth0
ip link set eth0 up
ip route add default via 192.0.2.1
sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
hostname proof
echo "127.0.0.1 localhost
$address proof" >/etc/hosts
echo 'nameserver 192.0.2.1' >/etc/resolv.conf

# This kernel's nf_tables has no inet and ip families: iptables has to be the legacy one, in kube-proxy's image too.
for name in iptables ip6tables; do ln -sf "/usr/sbin/$name-legacy" "/etc/alternatives/$name"; done
# The kubelet reads the processor's speed.
sed 's/^model name.*/&\ncpu MHz\t\t: 1000.000/' /proc/cpuinfo >/run/cpuinfo
mount --bind /run/cpuinfo /proc/cpuinfo
mkdir -p /var/lib/etcd
mount -t tmpfs tmpfs /var/lib/etcd
sed -i 's/restrict_oom_score_adj = true/restrict_oom_score_adj = false/' /etc/containerd/config.toml

# NodeLocal's address, and its packets past connection tracking, as its program arranges them.
ip link add nodelocaldns type dummy
ip addr add 169.254.20.10/32 dev nodelocaldns
for protocol in udp tcp; do
    iptables-legacy -t raw -A PREROUTING -d 169.254.20.10 -p "$protocol" --dport 53 -j NOTRACK
    iptables-legacy -t raw -A OUTPUT -s 169.254.20.10 -p "$protocol" --sport 53 -j NOTRACK
done

mkdir -p /etc/cni/net.d
cat >/etc/cni/net.d/10-bridge.conflist <<'END'
{"cniVersion": "0.4.0", "name": "bridge", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
systemctl restart containerd
dns=$(ctr -n k8s.io images ls -q | grep '/coredns:' | head -n 1)

cat >/run/kubeadm.yaml <<END
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: $address}
nodeRegistration: {name: proof, taints: [], ignorePreflightErrors: [all]}
timeouts: {controlPlaneComponentHealthCheck: 8m, kubeletHealthCheck: 4m, kubernetesAPICall: 4m}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: $(cat /kind/version)
dns: {imageRepository: "${dns%/*}", imageTag: "${dns##*:}"}
networking: {podSubnet: 10.244.0.0/16, serviceSubnet: 10.96.0.0/16}
controllerManager: {extraArgs: [{name: leader-elect, value: "false"}]}
scheduler: {extraArgs: [{name: leader-elect, value: "false"}]}
etcd: {local: {extraArgs: [{name: unsafe-no-fsync, value: "true"}]}}
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: ipvs
conntrack: {maxPerCore: 0}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: systemd
failSwapOn: false
imageGCHighThresholdPercent: 100
evictionHard: {nodefs.available: "0%", imagefs.available: "0%"}
END
kubeadm init --config /run/kubeadm.yaml --skip-phases=preflight,upload-certs,show-join-command
export KUBECONFIG=/etc/kubernetes/admin.conf
kubectl -n kube-system patch daemonset kube-proxy --type=strategic -p '{"spec": {"template": {"spec": {
  "containers": [{"name": "kube-proxy", "resources": {"requests": {"cpu": "200m"}}, "volumeMounts": [
    {"name": "legacy", "mountPath": "/usr/sbin/xtables-nft-multi"}]}],
  "volumes": [{"name": "legacy", "hostPath": {"path": "/usr/sbin/xtables-legacy-multi"}}]}}}}'
kubectl -n kube-system scale deployment coredns --replicas=1
kubectl wait --for=condition=Ready node/proof --timeout=180s
kubectl -n kube-system rollout status daemonset/kube-proxy --timeout=180s
kubectl -n kube-system rollout status deployment/coredns --timeout=180s
cp /etc/kubernetes/admin.conf /share/kubeconfig.tmp
mv /share/kubeconfig.tmp /share/kubeconfig

for _ in $(seq 1800); do
    [ -e /share/done ] && break
    sleep 0.5
done
cp /proc/net/ip_vs /share/ip_vs
iptables-legacy -t raw -S -v >/share/raw
cat /sys/fs/cgroup/cgroup.controllers >/share/cgroup
