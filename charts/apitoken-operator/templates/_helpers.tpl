{{- define "apitoken-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "apitoken-operator.fullname" -}}
{{- if and (not .Values.fullnameOverride) (regexMatch "^[0-9]" .Release.Name) }}
{{- fail (printf "the name of a Service begins with a letter, and release %s does not: set fullnameOverride" .Release.Name) }}
{{- end }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "apitoken-operator.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "apitoken-operator.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "apitoken-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "apitoken-operator.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: operator
{{- end }}

{{/* Of every object. The component is the operator unless a template says otherwise. */}}
{{- define "apitoken-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "apitoken-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: apitoken-operator
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "apitoken-operator.testLabels" -}}
{{- include "apitoken-operator.labels" . | replace "component: operator" "component: test" }}
{{- end }}

{{- define "apitoken-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "apitoken-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* As RBAC subjects and admission know the operator. */}}
{{- define "apitoken-operator.username" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "apitoken-operator.serviceAccountName" . }}
{{- end }}

{{- define "apitoken-operator.operatorNamespace" -}}
{{- default .Release.Namespace .Values.operatorNamespace }}
{{- end }}

{{- define "apitoken-operator.image" -}}
{{- $image := .Values.image }}
{{- if $image.digest }}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) }}
{{- end }}
{{- end }}

{{/* The port of `listen`, which is ADDRESS:PORT. */}}
{{- define "apitoken-operator.port" -}}
{{- regexFind "[0-9]+$" .Values.listen }}
{{- end }}

{{/* report, read or off; see `clusterProviders` in values.yaml. */}}
{{- define "apitoken-operator.clusterProviders" -}}
{{- default (ternary "read" "report" (not (empty .Values.namespaces))) .Values.clusterProviders }}
{{- end }}

{{/* What the restricted Pod Security level asks of a container. */}}
{{- define "apitoken-operator.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* No runAsUser: the image has a number of its own, and OpenShift wants to give one from the namespace's range. */}}
{{- define "apitoken-operator.podSecurityContext" -}}
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end }}
