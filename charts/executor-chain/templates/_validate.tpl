{{- /* Rules that the schema can't express, or only with an unclear error. */ -}}
{{- define "executor-chain.validate" -}}
{{- range $name := list "queuePollInterval" "queueStatsInterval" "gateAfter" "addressDelay" "handOverTime" "nameMemory" "replicasPatience" "routePatience" "workerPollInterval" "deletionPatience" -}}
{{- include "executor-chain.duration" (list "operator" $name (get $.Values.operator $name)) -}}
{{- end -}}
{{- range $name := list "serviceMonitor" "podMonitoring" -}}
{{- include "executor-chain.duration" (list $name "interval" (get $.Values $name).interval) -}}
{{- end -}}
{{- with .Values.emulatorHost -}}
{{- if not (regexMatch "^[A-Za-z0-9.-]+:[0-9]{1,5}$" .) -}}
{{- fail (printf "emulatorHost is %q: write host:port, such as cloud-tasks.emulators.svc:8123" .) -}}
{{- end -}}
{{- end -}}
{{- range .Values.watchNamespaces -}}
{{- if not (regexMatch "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" .) -}}
{{- fail (printf "watchNamespaces has %q, which is not a valid namespace name: list each namespace as an item of its own, such as [shop, hall]" .) -}}
{{- end -}}
{{- end -}}
{{- if ne (len .Values.watchNamespaces) (len (uniq .Values.watchNamespaces)) -}}
{{- fail "watchNamespaces has a duplicate: list each namespace once" -}}
{{- end -}}
{{- range $namespace, $entry := .Values.tenants -}}
{{- if not (regexMatch "^([*]|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)$" $namespace) -}}
{{- fail (printf "tenants has %q, which is not a valid namespace name: write the name of a namespace, or \"*\" for all that are not named" $namespace) -}}
{{- end -}}
{{- range $entry.projects -}}
{{- if not (regexMatch "^[A-Za-z0-9.:-]{1,100}$" .) -}}
{{- fail (printf "tenants.%s.projects has %q: write a project ID, such as my-project" $namespace .) -}}
{{- end -}}
{{- end -}}
{{- range $entry.queuePrefixes -}}
{{- if not (regexMatch "^[A-Za-z0-9-]{1,100}$" .) -}}
{{- fail (printf "tenants.%s.queuePrefixes has %q: write how the names of queues begin, such as shop-, without *" $namespace .) -}}
{{- end -}}
{{- end -}}
{{- range $entry.serviceAccounts -}}
{{- if not (regexMatch "^[A-Za-z0-9._-]+@[A-Za-z0-9._-]+$" .) -}}
{{- fail (printf "tenants.%s.serviceAccounts has %q: write an email address, such as pusher@my-project.iam.gserviceaccount.com" $namespace .) -}}
{{- end -}}
{{- end -}}
{{- range $entry.pushHosts -}}
{{- if not (regexMatch "^([*][.])?([A-Za-z0-9-]{1,63}[.])*[A-Za-z0-9-]{1,63}$" .) -}}
{{- fail (printf "tenants.%s.pushHosts has %q: write only a host, such as push.example.com, or *.push.example.com for every host below it" $namespace .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.location -}}
{{- if not (regexMatch "^[a-z0-9-]{1,63}$" .) -}}
{{- fail (printf "location is %q: write a Cloud Tasks location, such as europe-west1" .) -}}
{{- end -}}
{{- end -}}
{{- with .Values.project -}}
{{- if not (regexMatch "^[A-Za-z0-9.:-]{1,100}$" .) -}}
{{- fail (printf "project is %q: write a project ID, such as my-project" .) -}}
{{- end -}}
{{- end -}}
{{- range list .Values.image .Values.worker.image -}}
{{- if regexMatch ":[^/]*$" .repository -}}
{{- fail (printf "the repository %q contains a tag: set the value tag next to it instead" .repository) -}}
{{- end -}}
{{- end -}}
{{- $owned := list "ADMIN_ADDR" "CHAIN" "CLOUD_TASKS_EMULATOR_HOST" "CONCURRENCY" "DELAYS" "DISPATCH_DEADLINES" "DOWNSTREAM_QUEUE" "DRAIN_DELAY" "GIVE_UP_AFTER" "HANDLER_CLOUD_TASKS_HEADERS" "HANDLER_HEADERS" "HANDLER_HOST" "HANDLER_TIMEOUT" "HANDLER_TOKEN" "HANDLER_URL" "HOLD_ON_OUTAGE" "ISOLATE" "KEEP_HEADERS" "LISTEN_ADDR" "LOOKUP_QUEUES" "MAX_ATTEMPTS" "NOTIFIER_OIDC_AUDIENCE" "NOTIFIER_OIDC_SERVICE_ACCOUNT_EMAIL" "NOTIFIER_QUEUE" "NOTIFIER_URL" "NOTIFY_ON" "OIDC_AUDIENCES" "OIDC_SERVICE_ACCOUNT_EMAILS" "PARKING_KEEP" "PARKING_QUEUE" "QUEUE" "RETIRED_NOTIFIER_QUEUES" "RETIRED_PARKING_QUEUES" "RETRY_AFTER" "ROUTES" "STAGE" -}}
{{- range .Values.worker.env -}}
{{- if has .name $owned -}}
{{- fail (printf "worker.env has %s, which the operator sets for each chain: remove it" .name) -}}
{{- end -}}
{{- end -}}
{{- $values := dict "tenants" "tenants" "worker-template" "worker" "worker-image" "worker.image" "namespace" "watchNamespaces" "project" "project" "location" "location" "emulator-host" "emulatorHost" "cluster" "operator.cluster" "cluster-domain" "operator.clusterDomain" "queue-poll-interval" "operator.queuePollInterval" "queue-stats-interval" "operator.queueStatsInterval" "gate-after" "operator.gateAfter" "address-delay" "operator.addressDelay" "hand-over-time" "operator.handOverTime" "name-memory" "operator.nameMemory" "replicas-patience" "operator.replicasPatience" "route-patience" "operator.routePatience" "worker-poll-interval" "operator.workerPollInterval" "deletion-patience" "operator.deletionPatience" "cloud-tasks-calls-per-second" "operator.cloudTasksCallsPerSecond" "concurrency" "operator.concurrency" "revision-history-limit" "operator.revisionHistoryLimit" -}}
{{- range $argument := .Values.operator.extraArgs -}}
{{- $flag := regexReplaceAll "^--([a-z-]+).*$" $argument "${1}" -}}
{{- with get $values $flag -}}
{{- fail (printf "operator.extraArgs has %s: set the value %s instead" $argument .) -}}
{{- end -}}
{{- if eq $flag "admin-addr" -}}
{{- fail (printf "operator.extraArgs has %s: remove it, because probes and metrics need port 9481" $argument) -}}
{{- end -}}
{{- if and (hasPrefix "-" $argument) (not (hasPrefix "--" $argument)) -}}
{{- fail (printf "operator.extraArgs has %s, which is not a flag: write --flag=value" $argument) -}}
{{- end -}}
{{- end -}}
{{- if and (gt (int .Values.replicas) 1) (has "--leader-election=false" .Values.operator.extraArgs) -}}
{{- fail (printf "replicas is %d and leader election is off, so all replicas would write to the same queues: set replicas to 1, or enable leader election" (int .Values.replicas)) -}}
{{- end -}}
{{- include "executor-chain.refuseOverlap" . -}}
{{- end -}}

{{- define "executor-chain.duration" -}}
{{- if not (regexMatch "^([0-9]{1,5}(h|m|s|ms|[.][0-9]{1,3}s)){1,4}$" (toString (index . 2))) -}}
{{- fail (printf "%s.%s is %q: write a duration such as 500ms, 30s or 1m30s" (index . 0) (index . 1) (toString (index . 2))) -}}
{{- end -}}
{{- end -}}
