# A cluster of one node, in the namespaces that `run` has made: starts it, and says where it is.
# shellcheck shell=bash

# Addresses that no network has (RFC 5737). A kubelet refuses one of the loopback device.
node_address=192.0.2.1
service_range=10.96.0.0/16
api_service=10.96.0.1
dns_service=10.96.0.10
pod_range=10.244.0.0/24

# start NAME PROGRAM ARGUMENTS...: in the background, with a log of its own. All end with the namespace.
start() {
  local name=$1
  shift
  "$@" >"$state/log/$name.log" 2>&1 &
}

# until_ok WHAT SECONDS COMMAND...
until_ok() {
  local what=$1 end=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || fail "$what: not so after a while; see $state/log"
    sleep 0.2
  done
}

network() {
  local proc
  ip link set lo up
  ip link add node0 type veth peer name node1
  ip address add "$node_address/24" dev node0
  ip link set node0 up
  ip link set node1 up
  # Something that leads away, or the kubelet finds no address of its own. Nothing is at its end.
  ip route add default dev node0
  for proc in net/ipv4/ip_forward net/ipv4/conf/all/route_localnet; do
    echo 1 >"/proc/sys/$proc"
  done
}

# certificate NAME SUBJECT [ALTERNATIVE-NAMES]
certificate() {
  local name=$1 subject=$2 names=${3:-}
  openssl req -new -newkey rsa:2048 -nodes -subj "$subject" \
    -keyout "$state/pki/$name.key" -out "$state/pki/$name.csr" 2>/dev/null
  openssl x509 -req -in "$state/pki/$name.csr" -CA "$state/pki/ca.crt" -CAkey "$state/pki/ca.key" \
    -CAcreateserial -days 2 -out "$state/pki/$name.crt" \
    -extfile <(echo "subjectAltName=${names:-DNS:$name}") 2>/dev/null
}

# kubeconfig NAME: for the one that the certificate of this name names.
kubeconfig() {
  local file=$state/$1.kubeconfig
  kubectl config --kubeconfig="$file" set-cluster e2e --server="https://$node_address:6443" \
    --certificate-authority="$state/pki/ca.crt" --embed-certs >/dev/null
  kubectl config --kubeconfig="$file" set-credentials "$1" --client-certificate="$state/pki/$1.crt" \
    --client-key="$state/pki/$1.key" --embed-certs >/dev/null
  kubectl config --kubeconfig="$file" set-context e2e --cluster=e2e --user="$1" >/dev/null
  kubectl config --kubeconfig="$file" use-context e2e >/dev/null
}

identities() {
  mkdir -p "$state/pki"
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=e2e \
    -keyout "$state/pki/ca.key" -out "$state/pki/ca.crt" 2>/dev/null
  openssl genrsa -out "$state/pki/accounts.key" 2048 2>/dev/null
  certificate apiserver /CN=kube-apiserver \
    "IP:$node_address,IP:$api_service,IP:127.0.0.1,DNS:kubernetes.default.svc,DNS:kubernetes.default"
  certificate admin /O=system:masters/CN=admin
  certificate kubelet /O=system:nodes/CN=system:node:node "DNS:node,IP:$node_address"
  certificate manager /CN=system:kube-controller-manager
  certificate scheduler /CN=system:kube-scheduler
  certificate proxy /CN=system:kube-proxy
  local name
  for name in admin kubelet manager scheduler proxy; do
    kubeconfig "$name"
  done
  export KUBECONFIG=$state/admin.kubeconfig
}

control_plane() {
  start etcd "$bin/etcd" --data-dir "$state/etcd" --unsafe-no-fsync --log-level warn \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380
  start apiserver "$bin/kube-apiserver" --etcd-servers http://127.0.0.1:2379 \
    --bind-address 0.0.0.0 --secure-port 6443 --advertise-address "$node_address" \
    --tls-cert-file "$state/pki/apiserver.crt" --tls-private-key-file "$state/pki/apiserver.key" \
    --client-ca-file "$state/pki/ca.crt" --authorization-mode Node,RBAC \
    --kubelet-client-certificate "$state/pki/admin.crt" --kubelet-client-key "$state/pki/admin.key" \
    --kubelet-certificate-authority "$state/pki/ca.crt" --kubelet-preferred-address-types InternalIP \
    --service-account-issuer https://kubernetes.default.svc --service-cluster-ip-range "$service_range" \
    --service-account-key-file "$state/pki/accounts.key" \
    --service-account-signing-key-file "$state/pki/accounts.key"
  until_ok 'an API server' 60 kubectl get --raw /readyz
  start controller-manager "$bin/kube-controller-manager" --kubeconfig "$state/manager.kubeconfig" \
    --service-account-private-key-file "$state/pki/accounts.key" --root-ca-file "$state/pki/ca.crt" \
    --use-service-account-credentials --leader-elect=false
  start scheduler "$bin/kube-scheduler" --kubeconfig "$state/scheduler.kubeconfig" --leader-elect=false
}

containers() {
  mkdir -p "$state/cni"
  cat >"$state/cni/10-e2e.conflist" <<CONFIG
{"cniVersion": "0.4.0", "name": "e2e", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isDefaultGateway": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$state/addresses", "ranges": [[{"subnet": "$pod_range"}]]}}]}
CONFIG
  # Negative scores for the killer that acts when memory runs out may not be set on every machine.
  cat >"$state/containerd.toml" <<CONFIG
version = 2
root = "$state/containerd"
state = "$state/run/containerd"
[grpc]
  address = "$state/run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/e2e-pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$state/cni"
CONFIG
  start containerd containerd --config "$state/containerd.toml"
  until_ok containerd 30 ctr -a "$state/run/containerd.sock" version
  local image
  for image in "$images"/*.tar; do
    ctr -a "$state/run/containerd.sock" -n k8s.io images import --no-unpack=false "$image" \
      >"$state/log/import.log" 2>&1 || fail "$image can't be imported; see $state/log/import.log"
  done
}

node() {
  cat >"$state/kubelet.yaml" <<CONFIG
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $node_address
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $state/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $state/pki/kubelet.crt
tlsPrivateKeyFile: $state/pki/kubelet.key
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup
failCgroupV1: false
failSwapOn: false
clusterDNS: [$dns_service]
clusterDomain: cluster.local
containerRuntimeEndpoint: unix://$state/run/containerd.sock
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
enforceNodeAllocatable: []
resolvConf: ""
CONFIG
  start kubelet "$bin/kubelet" --config "$state/kubelet.yaml" --kubeconfig "$state/kubelet.kubeconfig" \
    --hostname-override node --node-ip "$node_address" --root-dir "$state/kubelet"
  # The limits of connections it would set are the machine's, and it may not.
  start proxy "$bin/kube-proxy" --kubeconfig "$state/proxy.kubeconfig" --hostname-override node \
    --proxy-mode iptables --masquerade-all --cluster-cidr "$pod_range" \
    --conntrack-max-per-core=0 --conntrack-min=0 --conntrack-tcp-timeout-established=0 \
    --conntrack-tcp-timeout-close-wait=0
  until_ok 'a node' 60 kubectl wait --for=condition=Ready node/node --timeout=1s
}

# The cluster's name service, a process of the node with a Service before it.
names() {
  cat >"$state/Corefile" <<CONFIG
.:53 {
  errors
  ready $node_address:8181
  kubernetes cluster.local {
    kubeconfig $state/admin.kubeconfig
  }
  cache 5
}
CONFIG
  start coredns "$bin/coredns" -conf "$state/Corefile"
  kubectl apply -f - >/dev/null <<MANIFEST
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec:
  clusterIP: $dns_service
  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kube-dns, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
addressType: IPv4
endpoints: [{addresses: [$node_address]}]
ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
MANIFEST
  until_ok 'a name service' 30 curl -fsS "http://$node_address:8181/ready"
}
