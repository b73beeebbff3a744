# The data paths between two kernels: role a asks, role b answers. Results go to /share/results, a line each: name, ok or
# failed, what was seen.
set -u
declare -A number=([a]=1 [b]=2)
mine=${number[$role]} other=$((3 - ${number[$role]}))
say() { printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>/share/results; }
await() { for _ in $(seq 240); do [ -e "$1" ] && return; sleep 0.5; done; echo "waited in vain for $1"; return 1; }
lost() { grep -o '[0-9.]*% packet loss' <<<"$1"; }
ask() { # name, address: five answers of five
    local out
    out=$(ping -n -c 5 -i 0.2 -W 2 "$2" 2>&1)
    if [ "$(lost "$out")" = "0% packet loss" ]; then say "$1" ok "5 of 5, $(grep -o 'rtt.*' <<<"$out")"; else say "$1" failed "$(tail -n 3 <<<"$out" | tr '\n' ' ')"; fi
}

for module in ipip sctp openvswitch vport-geneve geneve dummy; do modprobe "$module" || echo "no module $module"; done
ip link set lo up
ip addr add "192.0.2.$mine/30" dev eth0
ip link set eth0 up

ip link add proofip type ipip local "192.0.2.$mine" remote "192.0.2.$other"
ip addr add "198.51.100.$mine/30" dev proofip
ip link set proofip up

/usr/share/openvswitch/scripts/ovs-ctl start --system-id="$role" --no-monitor
ovs-vsctl add-br br0 -- set bridge br0 datapath_type=system
ovs-vsctl add-port br0 tunnel -- set interface tunnel type=geneve "options:remote_ip=192.0.2.$other" options:key=7
ip netns add pod
ip link add veth type veth peer name eth0 netns pod
ip link set veth up
ovs-vsctl add-port br0 veth
ip -n pod addr add "203.0.113.$mine/30" dev eth0
ip -n pod link set eth0 up

if [ "$role" = b ]; then
    sctp_test -H 192.0.2.2 -P 7000 -l >/share/sctp-server 2>&1 &
    touch /share/ready-b
    await /share/done
    exit
fi
await /share/ready-b
ask "plain link" 192.0.2.2
ask "IP in IP" 198.51.100.2
ip -s link show proofip | grep -q ipip && echo "$(ip -s link show proofip)"
out=$(timeout 20 sctp_test -H 192.0.2.1 -P 7001 -h 192.0.2.2 -p 7000 -s -c 2 -x 5 2>&1)
sent=$(awk '/SctpOutSCTPPacks/ {print $2}' /proc/net/sctp/snmp)
if grep -q SctpActiveEstabs /proc/net/sctp/snmp && [ "$(awk '/SctpActiveEstabs/ {print $2}' /proc/net/sctp/snmp)" -ge 1 ]; then
    say SCTP ok "an association established, $sent packets sent"
else
    say SCTP failed "$(tail -n 2 <<<"$out" | tr '\n' ' ')"
fi
name="Open vSwitch with Geneve"
out=$(ip netns exec pod ping -n -c 5 -i 0.2 -W 2 203.0.113.2 2>&1)
flows=$(ovs-appctl dpctl/dump-flows | grep -c 'tun_id=0x7')
if [ "$(lost "$out")" = "0% packet loss" ] && [ "$flows" -gt 0 ]; then
    say "$name" ok "5 of 5, $flows flows of the kernel's data path name the tunnel"
else
    say "$name" failed "$flows flows; $(tail -n 3 <<<"$out" | tr '\n' ' ')"
fi
for pair in "WireGuard wireguard" "IP_VS ip_vs" "dummy dummy"; do
    read -r title module <<<"$pair"
    if modprobe -n "$module" 2>/dev/null; then echo "$title: there"; else echo "$title: not there"; fi
done
touch /share/done
