{{/* Refuses a release that would serve the chains of another release. If both serve all namespaces, or the
same one, their roles have the same name. A release for all namespaces and one for some are found by `lookup`,
which returns nothing without a cluster, as in `helm template`. */}}
{{- define "executor-chain.refuseOverlap" -}}
{{- if .Values.rbac.create }}
{{- $kind := "rbac.authorization.k8s.io/v1" }}
{{- $role := include "executor-chain.roleName" . }}
{{- $found := list }}
{{- /* With permissions in some namespaces only, this lookup would be forbidden. */}}
{{- if or .Values.crds.install (not .Values.operator.cluster) (not .Values.watchNamespaces) }}
{{- with lookup $kind "ClusterRoleBinding" "" $role }}
{{- $found = append $found . }}
{{- end }}
{{- end }}
{{- if .Values.watchNamespaces }}
{{- range .Values.watchNamespaces }}
{{- with lookup $kind "RoleBinding" . $role }}
{{- $found = append $found . }}
{{- end }}
{{- end }}
{{- else }}
{{- range (lookup $kind "RoleBinding" "" "").items }}
{{- if eq .metadata.name $role }}
{{- $found = append $found . }}
{{- end }}
{{- end }}
{{- end }}
{{- range $found }}
{{- $annotations := .metadata.annotations | default dict }}
{{- $name := index $annotations "meta.helm.sh/release-name" | default "" }}
{{- $namespace := index $annotations "meta.helm.sh/release-namespace" | default "" }}
{{- if or (ne $name $.Release.Name) (ne $namespace $.Release.Namespace) }}
{{- $whose := "the chains of all namespaces" }}
{{- with .metadata.namespace }}
{{- $whose = printf "the chains of namespace %s" . }}
{{- end }}
{{- $by := "another operator, whose role binding belongs to no Helm release" }}
{{- if $name }}
{{- $by = printf "the release %s in namespace %s" $name $namespace }}
{{- end }}
{{- fail (printf "%s are served by %s: two operators would write the same queues. Set watchNamespaces so that each release serves its own namespaces, or uninstall the other release" $whose $by) }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
