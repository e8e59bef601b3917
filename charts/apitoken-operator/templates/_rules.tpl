{{- define "apitoken-operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "apitoken-operator.serviceAccountName" . | quote }}
  namespace: {{ .Release.Namespace | quote }}
{{- end }}

{{/* Where ApiTokens are served: everywhere, or in each listed namespace. */}}
{{- define "apitoken-operator.tokenRules" -}}
- apiGroups: [apitoken.dev]
  resources: [apitokens, tokenproviders]
  verbs: [get, list, watch]
- apiGroups: [apitoken.dev]
  resources: [apitokens/status, tokenproviders/status]
  verbs: [patch]
# Where OwnerReferencesPermissionEnforcement is on, setting an owner asks for this.
- apiGroups: [apitoken.dev]
  resources: [apitokens/finalizers]
  verbs: [update]
# delete: only an output of ours that was renamed, by uid and resourceVersion.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, update, patch, delete]
# Those that a provider names in spec.tls.caBundleRef, by name; none is listed or watched.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}

{{/* ClusterTokenProviders, and the labels of namespaces that they select by. */}}
{{- define "apitoken-operator.clusterProviderRules" -}}
{{- $mode := include "apitoken-operator.clusterProviders" . }}
{{- if ne $mode "off" -}}
- apiGroups: [apitoken.dev]
  resources: [clustertokenproviders]
  verbs: [get, list, watch]
{{- if eq $mode "report" }}
- apiGroups: [apitoken.dev]
  resources: [clustertokenproviders/status]
  verbs: [patch]
{{- end }}
# Only while a ClusterTokenProvider selects namespaces by label.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [list, watch]
{{- end }}
{{- end }}

{{/* In the operator's own namespace. RBAC cannot limit create by name; the admission policy does. */}}
{{- define "apitoken-operator.selfRules" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [apitoken-operator-key]
  verbs: [get]
{{- if and .Values.namespaces (ne (include "apitoken-operator.clusterProviders" .) "off") }}
# What ClusterTokenProviders refer to in spec.tls. In cluster mode the ClusterRole has it.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
{{- with .Values.rbac.clusterProviderSecrets }}
- apiGroups: [""]
  resources: [secrets]
  resourceNames: {{ toJson . }}
  verbs: [get]
{{- end }}
{{- end }}
{{- if .Values.leaderElect }}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ .Values.leaderElectResourceName | quote }}]
  verbs: [get, update]
{{- end }}
{{- end }}
