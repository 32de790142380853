{{- define "executor-chain.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "executor-chain.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "executor-chain.labels" -}}
{{ include "executor-chain.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "executor-chain.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "executor-chain.fullname" .) -}}
{{- else -}}
{{- required "serviceAccount.create is false and serviceAccount.name is empty: set serviceAccount.name to the service account of the operator" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* Names of cluster-scoped objects contain the namespace, so that two releases don't collide. */ -}}
{{- define "executor-chain.clusterName" -}}
{{- printf "%s:%s" .Release.Namespace (include "executor-chain.fullname" .) -}}
{{- end -}}

{{- /* The same role name in every release, so that Helm refuses a second release that would serve the same
       chains. */ -}}
{{- define "executor-chain.roleName" -}}
executor-chain-operator
{{- end -}}
