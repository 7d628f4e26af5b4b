# What several templates say.
# {% raw %}
{{- define "app.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "app.serviceAccount" -}}
{{ .Values.serviceAccount.name | default .Release.Name }}
{{- end }}

{{- /* The settings that are no secrets. */}}
{{- define "app.config" -}}
TRUSTED_HOSTS: {{ .Values.host | quote }}
{{- range $name, $value := .Values.config }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}

{{- /*
A pod of one container. `root`: the chart's own scope, `component`, `args`, `process`: its part of the values,
`probes`; `before`: it runs before anything else of the release exists.
*/}}
{{- define "app.pod" -}}
metadata:
  labels:
    {{- include "app.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
  annotations:
    # Pods read their settings once: changed ones need new pods.
    checksum/config: {{ include "app.config" .root | sha256sum }}
spec:
  {{- if not .before }}
  serviceAccountName: {{ include "app.serviceAccount" .root }}
  {{- else if .root.Values.serviceAccount.name }}
  serviceAccountName: {{ .root.Values.serviceAccount.name }}
  {{- end }}
  automountServiceAccountToken: false
  # The variables that Kubernetes would set for each Service of the namespace may look like misspelt settings.
  enableServiceLinks: false
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    seccompProfile:
      type: RuntimeDefault
  {{- if .before }}
  restartPolicy: Never
  {{- else }}
  terminationGracePeriodSeconds: {{ .process.stopSeconds }}
  topologySpreadConstraints:
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      # Better close together than not at all.
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "app.labels" $.root | nindent 10 }}
          app.kubernetes.io/component: {{ $.component }}
      # Not those of the former version, which are about to go.
      matchLabelKeys: [pod-template-hash]
    {{- end }}
  {{- end }}
  containers:
    - name: {{ .component }}
      image: {{ .root.Values.image | quote }}
      args: {{ .args | toJson }}
      {{- if not .before }}
      envFrom:
        - configMapRef:
            name: {{ .root.Release.Name }}
      {{- end }}
      env:
        - name: PORT
          value: "8000"
        {{- if .before }}
        {{- range $name, $value := include "app.config" .root | fromYaml }}
        - name: {{ $name }}
          value: {{ $value | quote }}
        {{- end }}
        {{- end }}
        {{- range .root.Values.secret.keys }}
        - name: {{ . }}
          valueFrom:
            secretKeyRef:
              name: {{ $.root.Values.secret.name }}
              key: {{ . }}
        {{- end }}
      {{- with .probes }}
      {{- . | nindent 6 }}
      {{- end }}
      resources:
        {{- toYaml .process.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      volumeMounts:
        - name: tmp
          mountPath: /tmp
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: {{ .root.Values.tmpSize }}
{{- end }}
# {% endraw %}
