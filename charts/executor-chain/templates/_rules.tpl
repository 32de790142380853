{{- /* The operator's permissions in each namespace that it serves. A test compares them with its requests
       to the API server. */ -}}
{{- define "executor-chain.rules" -}}
- apiGroups: [executor-chain.dev]
  resources: [executorchains]
  verbs: [get, list, watch, patch]
- apiGroups: [executor-chain.dev]
  resources: [executorchains/status]
  verbs: [update]
- apiGroups: [executor-chain.dev]
  resources: [chainoverrides/status, chainredrives/status, chaindiscards/status]
  verbs: [patch]
- apiGroups: [executor-chain.dev]
  resources: [chainoverrides, chainredrives, chaindiscards]
  verbs: [list, watch, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
{{- if .Values.operator.revisionHistoryLimit }}
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [list, create, patch, delete]
{{- end }}
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- if .Values.gateway.enabled }}
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.gke.io]
  resources: [gcpbackendpolicies, healthcheckpolicies]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
{{- end -}}
{{- /* What people on call may do. They see discards, for whom a redrive may wait, and make none. */ -}}
{{- define "executor-chain.oncall" -}}
- apiGroups: [executor-chain.dev]
  resources: [chainoverrides, chainredrives]
  verbs: [get, list, watch, create, patch]
- apiGroups: [executor-chain.dev]
  resources: [chaindiscards]
  verbs: [get, list, watch]
{{- end -}}
{{- /* What those may do who delete parked tasks. */ -}}
{{- define "executor-chain.discard" -}}
- apiGroups: [executor-chain.dev]
  resources: [chaindiscards]
  verbs: [get, list, watch, create, patch]
{{- end -}}
