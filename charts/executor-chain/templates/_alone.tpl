{{- /* No two operators serve one namespace: each would undo what the other has done. Helm itself
       refuses a second role of the same name in one place; this says it in words, and sees as well
       that one serves all namespaces and another some. Without a cluster, as in helm template,
       nothing is found. */ -}}
{{- define "executor-chain.alone" -}}
{{- $api := "rbac.authorization.k8s.io/v1" -}}
{{- $name := include "executor-chain.role" . -}}
{{- $found := list -}}
{{- if .Values.watchNamespaces -}}
{{- range .Values.watchNamespaces -}}
{{- $found = append $found (lookup $api "Role" . $name) -}}
{{- end -}}
{{- else -}}
{{- range (lookup $api "Role" "" "").items -}}
{{- if eq .metadata.name $name -}}{{- $found = append $found . -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- /* Who may not make ClusterRoles may not be let to look at them either. */ -}}
{{- if not (and .Values.watchNamespaces .Values.operator.cluster) -}}
{{- $found = append $found (lookup $api "ClusterRole" "" $name) -}}
{{- end -}}
{{- range $found -}}
{{- $of := dict -}}
{{- with . -}}{{- with .metadata.annotations -}}{{- $of = . -}}{{- end -}}{{- end -}}
{{- $release := get $of "meta.helm.sh/release-name" -}}
{{- $namespace := get $of "meta.helm.sh/release-namespace" -}}
{{- if and $release (or (ne $release $.Release.Name) (ne $namespace $.Release.Namespace)) -}}
{{- $where := "all namespaces" -}}
{{- with .metadata.namespace -}}{{- $where = printf "the namespace %s" . -}}{{- end -}}
{{- fail (printf "release %s in %s serves the chains of %s already: uninstall it, or give each release namespaces of its own in watchNamespaces" $release $namespace $where) -}}
{{- end -}}
{{- end -}}
{{- end -}}
