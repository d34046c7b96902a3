{{/* The prefix of all names: the release, with the chart's name unless the release has it. 24 characters leave room
for the suffixes that Kubernetes and the chart append. */}}
{{- define "minigroups.name" -}}
{{- $name := ternary .Release.Name (printf "%s-minigroups" .Release.Name) (contains "minigroups" .Release.Name) -}}
{{- $name | trunc 24 | trimSuffix "-" -}}
{{- end }}

{{/* Labels that select the pods of a program: list ROOT PROGRAM. Alerts and dashboard expect the jobs minigroups-api
and minigroups-worker, which come from app.kubernetes.io/name, whatever the release is called. */}}
{{- define "minigroups.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: minigroups-{{ index . 1 }}
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
{{- end }}

{{/* Labels of the pods of a program: list ROOT PROGRAM. */}}
{{- define "minigroups.podLabels" -}}
{{ include "minigroups.selector" . }}
app.kubernetes.io/part-of: minigroups
{{- end }}

{{/* Labels of an object that belongs to a program: list ROOT PROGRAM. */}}
{{- define "minigroups.labels" -}}
{{- $root := index . 0 -}}
{{ include "minigroups.podLabels" . }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ include "minigroups.chart" $root }}
{{- end }}

{{/* Name and version of the chart. A label may not have the + of a semantic version. */}}
{{- define "minigroups.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* Labels of an object of all programs. */}}
{{- define "minigroups.commonLabels" -}}
app.kubernetes.io/part-of: minigroups
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ include "minigroups.chart" . }}
{{- end }}

{{- define "minigroups.serviceAccount" -}}
{{- $default := ternary (include "minigroups.name" .) "default" .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default $default -}}
{{- end }}

{{/* "true" if the API carries out sagas (api.worker). */}}
{{- define "minigroups.apiIsWorker" -}}
{{- if dig "api" "worker" false .Values.config }}true{{ end -}}
{{- end }}

{{/* The sets of workers as JSON, without those that are null: Helm removes such a key only in some places. */}}
{{- define "minigroups.sets" -}}
{{- $sets := dict -}}
{{- range $name, $set := .Values.workers }}
{{- if kindIs "map" $set }}
{{- $_ := set $sets $name $set }}
{{- end }}
{{- end }}
{{- toJson $sets -}}
{{- end }}
