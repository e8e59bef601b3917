{{/* Fields of an endpoint that are the same for a ServiceMonitor and a PodMonitor; takes the root and the monitor's values. */}}
{{- define "apitoken-operator.scrape" -}}
{{- $root := index . 0 }}
{{- $monitor := index . 1 -}}
port: metrics
path: /metrics
scheme: {{ ternary "https" "http" (not (empty $root.Values.listenTls)) }}
# `namespace` of the metrics is the ApiToken's, not that of the pod.
honorLabels: true
{{- with $monitor.interval }}
interval: {{ . }}
{{- end }}
{{- if $root.Values.listenTls }}
tlsConfig:
  {{- if $monitor.tlsConfig }}
  {{- toYaml $monitor.tlsConfig | nindent 2 }}
  {{- else }}
  serverName: {{ include "apitoken-operator.fullname" $root }}.{{ $root.Release.Namespace }}.svc
  ca:
    secret: { name: {{ $root.Values.listenTls }}, key: ca.crt }
  {{- end }}
{{- end }}
{{- with $monitor.authorization }}
authorization:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $monitor.extraFields }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The labels of an object, with those by which somebody selects it. */}}
{{- define "apitoken-operator.selectedLabels" -}}
{{- $labels := include "apitoken-operator.labels" (index . 0) | fromYaml }}
{{- toYaml (merge (dict) (index . 1) $labels) }}
{{- end }}
