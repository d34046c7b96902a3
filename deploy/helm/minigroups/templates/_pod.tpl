{{/* Metadata of pods: list ROOT LABELS. The checksum replaces the pods when a setting changes. */}}
{{- define "minigroups.podMetadata" -}}
{{- $root := index . 0 -}}
labels:
  {{- index . 1 | nindent 2 }}
annotations:
  checksum/config: {{ toYaml $root.Values.config | sha256sum }}
  {{- with $root.Values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* What the pods of all programs have in common, except for containers. */}}
{{- define "minigroups.podSpec" -}}
serviceAccountName: {{ include "minigroups.serviceAccount" . | quote }}
automountServiceAccountToken: false
# Kubernetes would set MINIGROUPS_… variables for the Services, and the program would read them as settings.
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
volumes:
  - name: config
    configMap: {name: {{ include "minigroups.name" . }}}
  - name: keys
    secret: {secretName: {{ .Values.secrets.keys | quote }}, defaultMode: 0440}
  {{- with .Values.postgres.caSecret }}
  - name: postgres
    secret: {secretName: {{ . | quote }}, defaultMode: 0440}
  {{- end }}
  {{- with .Values.mqtt.caSecret }}
  - name: mqtt
    secret: {secretName: {{ . | quote }}, defaultMode: 0440}
  {{- end }}
  {{- with .Values.temporal.tls.secret }}
  - name: temporal
    secret: {secretName: {{ . | quote }}, defaultMode: 0440}
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Spreads the pods of a program over nodes and zones: list ROOT PROGRAM. */}}
{{- define "minigroups.spread" -}}
{{- $arguments := . -}}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "minigroups.selector" $arguments | nindent 8 }}
  {{- end }}
{{- end }}

{{/* The fields of every container except for the program's own variables, which follow directly: dict root, program,
tag (optional), resources, database (a reference to a Secret). */}}
{{- define "minigroups.container" -}}
{{- $values := .root.Values -}}
name: {{ .program }}
{{- $tag := .tag | default $values.image.tag | default .root.Chart.AppVersion }}
{{- $tag = required "image.tag: set the version to install" $tag }}
image: {{ printf "%s:%s" $values.image.repository $tag | quote }}
imagePullPolicy: {{ $values.image.pullPolicy }}
command: [{{ .program }}]
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
resources:
  {{- toYaml .resources | nindent 2 }}
volumeMounts:
  - {name: config, mountPath: /etc/minigroups, readOnly: true}
  - {name: keys, mountPath: /run/secrets/minigroups, readOnly: true}
  {{- if $values.postgres.caSecret }}
  - {name: postgres, mountPath: /run/secrets/postgres, readOnly: true}
  {{- end }}
  {{- if $values.mqtt.caSecret }}
  - {name: mqtt, mountPath: /run/secrets/mqtt, readOnly: true}
  {{- end }}
  {{- if $values.temporal.tls.secret }}
  - {name: temporal, mountPath: /run/secrets/temporal, readOnly: true}
  {{- end }}
  {{- with $values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
env:
  - {name: MINIGROUPS_CONFIG, value: /etc/minigroups/minigroups.yaml}
  - name: MINIGROUPS_DATABASE__URL
    valueFrom: {secretKeyRef: {{ .database | toJson }}}
  # Go collects garbage more often near the limit, instead of exceeding it.
  - name: GOMEMLIMIT
    valueFrom: {resourceFieldRef: {resource: limits.memory}}
  {{- with $values.postgres.sslmode }}
  - {name: PGSSLMODE, value: {{ . | quote }}}
  {{- end }}
  {{- if $values.postgres.caSecret }}
  - {name: PGSSLROOTCERT, value: /run/secrets/postgres/ca.crt}
  {{- end }}
  {{- if $values.mqtt.caSecret }}
  - {name: MINIGROUPS_MQTT__CA_FILE, value: /run/secrets/mqtt/ca.crt}
  {{- end }}
  {{- include "minigroups.temporalEnv" $values.temporal | nindent 2 }}
  {{- with $values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* The variables with which all programs and Temporal's own tools connect to Temporal. */}}
{{- define "minigroups.temporalEnv" -}}
{{- with .tls }}
{{- if .enabled }}
- {name: TEMPORAL_TLS, value: "true"}
{{- end }}
{{- if .secret }}
{{- with .ca }}
- {name: TEMPORAL_TLS_SERVER_CA_CERT_PATH, value: /run/secrets/temporal/{{ . }}}
{{- end }}
{{- with .certificate }}
- {name: TEMPORAL_TLS_CLIENT_CERT_PATH, value: /run/secrets/temporal/{{ . }}}
{{- end }}
{{- with .key }}
- {name: TEMPORAL_TLS_CLIENT_KEY_PATH, value: /run/secrets/temporal/{{ . }}}
{{- end }}
{{- end }}
{{- with .serverName }}
- {name: TEMPORAL_TLS_SERVER_NAME, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- with .apiKeySecret }}
- name: TEMPORAL_API_KEY
  valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: api-key}}
{{- end }}
{{- end }}

{{/* The variables of a program that reserves slots on gateways. */}}
{{- define "minigroups.janusEnv" -}}
{{- if ne (dig "janus" "reservation" "gateway" .Values.config) "conference" }}
{{- $secret := .Values.secrets.janus }}
{{- range list "admin-key" "admin-secret" "room-key" }}
- name: MINIGROUPS_JANUS__{{ . | snakecase | upper }}
  valueFrom: {secretKeyRef: {name: {{ $secret | quote }}, key: janus-{{ . }}}}
{{- end }}
{{- end }}
{{- end }}

{{/* The pods of workers: dict root, labels, set (what workers has for it). */}}
{{- define "minigroups.workerPods" -}}
{{- $root := .root -}}
{{- $arguments := list $root "worker" -}}
{{- $values := $root.Values -}}
{{- $container := dict "root" $root "program" "worker" "tag" .set.tag "resources" $values.worker.resources -}}
{{- $_ := set $container "database" $values.secrets.database -}}
metadata:
  {{- include "minigroups.podMetadata" (list $root .labels) | nindent 2 }}
spec:
  terminationGracePeriodSeconds: {{ $root.Values.worker.terminationGracePeriodSeconds }}
  {{- include "minigroups.podSpec" $root | nindent 2 }}
  {{- include "minigroups.spread" $arguments | nindent 2 }}
  containers:
    - {{ include "minigroups.container" $container | nindent 6 | trim }}
        {{- include "minigroups.janusEnv" $root | nindent 8 }}
        {{- with .set.buildId }}
        - {name: MINIGROUPS_WORKER__BUILD_ID, value: {{ . | quote }}}
        {{- end }}
      ports:
        - {name: metrics, containerPort: 9090}
      {{- include "minigroups.probes" "metrics" | nindent 6 }}
{{- end }}

{{/* Probes on a port. */}}
{{- define "minigroups.probes" -}}
# At its start the program waits up to 15 minutes for the schema, and up to a minute each for the database and Temporal.
# It ends by itself if it waits in vain. It answers after that.
startupProbe:
  httpGet: {path: /healthz, port: {{ . }}}
  periodSeconds: 2
  failureThreshold: 540
# It fails if the process is stuck. It succeeds while the database or Temporal is away, because a new process does not
# help then.
livenessProbe:
  httpGet: {path: /healthz, port: {{ . }}}
  periodSeconds: 10
  timeoutSeconds: 5
# It fails while the process cannot do its work, so that an update waits and the Service sends it no requests.
readinessProbe:
  httpGet: {path: /readyz, port: {{ . }}}
  periodSeconds: 3
  timeoutSeconds: 3
  failureThreshold: 2
{{- end }}
