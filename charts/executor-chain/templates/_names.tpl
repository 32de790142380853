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
{{- required "serviceAccount.name is empty and serviceAccount.create is false: name the service account that the operator runs as" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* Cluster-wide objects of two releases must not meet: they hold their namespace too. */ -}}
{{- define "executor-chain.clusterName" -}}
{{- printf "%s:%s" .Release.Namespace (include "executor-chain.fullname" .) -}}
{{- end -}}

{{- /* What an operator may do to chains has one name everywhere: of two that would serve the same chains
       Helm refuses the second. */ -}}
{{- define "executor-chain.roleName" -}}
executor-chain-operator
{{- end -}}
