{{/* One variable for each flag that has a value. What is empty is left out, so that `env` may say it. */}}
{{- define "apitoken-operator.environment" -}}
{{- $values := .Values }}
- name: APITOKEN_OPERATOR_NAMESPACE
  value: {{ include "apitoken-operator.operatorNamespace" . | quote }}
{{- with $values.namespaces }}
- name: APITOKEN_NAMESPACES
  value: {{ join "," . | quote }}
{{- end }}
- name: APITOKEN_CLUSTER_PROVIDERS
  value: {{ include "apitoken-operator.clusterProviders" . | quote }}
- name: APITOKEN_LEADER_ELECT
  value: {{ $values.leaderElect | quote }}
- name: APITOKEN_LEADER_ELECT_RESOURCE_NAME
  value: {{ $values.leaderElectResourceName | quote }}
- name: APITOKEN_LEADER_ELECT_LEASE_DURATION
  value: {{ $values.leaderElectLeaseDuration | quote }}
- name: APITOKEN_LEADER_ELECT_RENEW_DEADLINE
  value: {{ $values.leaderElectRenewDeadline | quote }}
- name: APITOKEN_LEADER_ELECT_RETRY_PERIOD
  value: {{ $values.leaderElectRetryPeriod | quote }}
- name: APITOKEN_PRESETS
  value: {{ join "," $values.presets | quote }}
{{- with $values.allowProviderCidr }}
- name: APITOKEN_ALLOW_PROVIDER_CIDR
  value: {{ join "," . | quote }}
{{- end }}
- name: APITOKEN_ALLOW_TENANT_PRIVATE
  value: {{ $values.allowTenantPrivate | quote }}
{{- with $values.providerProxy }}
- name: APITOKEN_PROVIDER_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with $values.noProviderProxy }}
- name: APITOKEN_NO_PROVIDER_PROXY
  value: {{ join "," . | quote }}
{{- end }}
- name: APITOKEN_ORIGIN_REQUESTS_PER_SECOND
  value: {{ int $values.originRequestsPerSecond | quote }}
- name: APITOKEN_ORIGIN_CONCURRENCY
  value: {{ int $values.originConcurrency | quote }}
- name: APITOKEN_LISTEN
  value: {{ $values.listen | quote }}
{{- with $values.listenTls }}
- name: APITOKEN_LISTEN_TLS
  value: /tls
{{- end }}
- name: APITOKEN_METRICS_AUTH
  value: {{ $values.metricsAuth | quote }}
- name: APITOKEN_OBJECT_METRICS
  value: {{ $values.objectMetrics | quote }}
- name: APITOKEN_LOG_FORMAT
  value: {{ $values.logFormat | quote }}
- name: APITOKEN_LOG_LEVEL
  value: {{ $values.logLevel | quote }}
- name: APITOKEN_WORKER_THREADS
  value: {{ int $values.workerThreads | quote }}
{{- end }}
