{{/* Refuses an install that would serve chains which another release serves. Two that serve all
namespaces, or the same one, want a role of the same name; an install for all and one for some do not, so
they are looked for. Where the cluster can't be asked, as in `helm template`, nothing is found. */}}
{{- define "executor-chain.alone" -}}
{{- if .Values.rbac.create }}
{{- $kind := "rbac.authorization.k8s.io/v1" }}
{{- $role := include "executor-chain.roleName" . }}
{{- $found := list }}
{{- /* Who installs with rights in some namespaces alone may not ask for this one. */}}
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
{{- $by := "another operator, by a binding that no Helm release owns" }}
{{- if $name }}
{{- $by = printf "the release %s in namespace %s" $name $namespace }}
{{- end }}
{{- fail (printf "%s are served by %s: two operators would write the same queues. Give each release namespaces of its own in watchNamespaces, or uninstall the other" $whose $by) }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
