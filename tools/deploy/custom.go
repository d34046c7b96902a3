package main

import (
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The fields of custom resources that the chart uses. Their own modules cannot be had, or require hundreds of others.

// scaledObject is a ScaledObject of KEDA, keda.sh/v1alpha1 as of 2.21.
type scaledObject struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`
	Spec            struct {
		ScaleTargetRef struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Name       string `json:"name"`
		} `json:"scaleTargetRef"`
		MinReplicaCount int32 `json:"minReplicaCount"`
		MaxReplicaCount int32 `json:"maxReplicaCount"`
		Advanced        struct {
			HorizontalPodAutoscalerConfig struct {
				Behavior struct {
					ScaleDown struct {
						StabilizationWindowSeconds int32 `json:"stabilizationWindowSeconds"`
					} `json:"scaleDown"`
				} `json:"behavior"`
			} `json:"horizontalPodAutoscalerConfig"`
		} `json:"advanced"`
		Triggers []struct {
			Type              string            `json:"type"`
			Metadata          map[string]string `json:"metadata"`
			AuthenticationRef *namedObject      `json:"authenticationRef"`
		} `json:"triggers"`
	} `json:"spec"`
}

// triggerAuthentication is a TriggerAuthentication of KEDA.
type triggerAuthentication struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`
	Spec            struct {
		SecretTargetRef []struct {
			Parameter string `json:"parameter"`
			Name      string `json:"name"`
			Key       string `json:"key"`
		} `json:"secretTargetRef"`
	} `json:"spec"`
}

// workerDeployment is a WorkerDeployment of Temporal's Worker Controller, temporal.io/v1alpha1 as of 1.7.
type workerDeployment struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`
	Spec            struct {
		Replicas      int32 `json:"replicas"`
		WorkerOptions struct {
			ConnectionRef     namedObject `json:"connectionRef"`
			TemporalNamespace string      `json:"temporalNamespace"`
		} `json:"workerOptions"`
		Rollout struct {
			Strategy string `json:"strategy"`
			Steps    []struct {
				RampPercentage int           `json:"rampPercentage"`
				PauseDuration  meta.Duration `json:"pauseDuration"`
			} `json:"steps"`
		} `json:"rollout"`
		Sunset struct {
			ScaledownDelay meta.Duration `json:"scaledownDelay"`
			DeleteDelay    meta.Duration `json:"deleteDelay"`
		} `json:"sunset"`
		Template core.PodTemplateSpec `json:"template"`
	} `json:"spec"`
}

// connection is a Connection of Temporal's Worker Controller.
type connection struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`
	Spec            struct {
		HostPort           string                  `json:"hostPort"`
		MutualTLSSecretRef *namedObject            `json:"mutualTLSSecretRef"`
		APIKeySecretRef    *core.SecretKeySelector `json:"apiKeySecretRef"`
		TLS                *struct {
			ServerName string `json:"serverName"`
		} `json:"tls"`
	} `json:"spec"`
}

type namedObject struct {
	Name string `json:"name"`
}
