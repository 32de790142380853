// The CRDs of the Gateway API and of GKE's policies, against which the routes and policies are tried
// (hack/gateway/crds says how).
module executor-chain.dev/hack/gateway

go 1.24.0

require (
	github.com/GoogleCloudPlatform/gke-gateway-api v1.3.0
	sigs.k8s.io/gateway-api v1.4.1
)
