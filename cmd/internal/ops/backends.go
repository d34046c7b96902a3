package ops

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"minigroups/minigroup"
)

// backendInfo is what `ops backends` prints of each gateway.
type backendInfo struct {
	ID    string `json:"id"`
	Group string `json:"group"`
	// Enabled is true if the gateway is configured.
	Enabled bool `json:"enabled"`
	// Capacity and BalancerCapacity are null if unlimited.
	Capacity         *int32 `json:"capacity"`
	BalancerCapacity *int32 `json:"balancer_capacity"`
	// Peak is the highest number of slots reserved at one time from now on.
	Peak int64 `json:"peak"`
	// Reservations counts the reservations that are not released.
	Reservations int64 `json:"reservations"`
	// State is ok, away if the gateway does not answer, or unfit if it answers wrongly; AwayReason is why, and AwaySince
	// since when it is not ok.
	State         string    `json:"state"`
	AwaySince     time.Time `json:"away_since,omitzero"`
	AwayReason    string    `json:"away_reason,omitempty"`
	DrainingSince time.Time `json:"draining_since,omitzero"`
}

func (a *app) backends() *cobra.Command {
	return &cobra.Command{
		Use: "backends", Args: cobra.NoArgs,
		Short: "List the Janus gateways and what is reserved on them",
		RunE: a.connected(func(ctx context.Context, _ []string) error {
			loads, err := a.store.BackendLoads(ctx)
			if err != nil {
				return err
			}
			return a.printBackends(loads)
		}),
	}
}

func (a *app) printBackends(loads []minigroup.BackendLoad) error {
	backends := []backendInfo{}
	for _, l := range loads {
		backends = append(backends, backendInfo{
			ID: l.ID, Group: l.Group, Enabled: l.Enabled, Capacity: l.Capacity, BalancerCapacity: l.BalancerCapacity,
			Peak: l.Peak, Reservations: l.Live, State: gatewayState(l), AwaySince: l.AwaySince.UTC(),
			AwayReason: l.State.Reason, DrainingSince: l.DrainingSince.UTC(),
		})
	}
	return a.print(backends, func(t *table) {
		t.row("GATEWAY", "GROUP", "CONFIGURED", "CAPACITY", "FILLED UP TO", "PEAK", "RESERVATIONS", "DRAINING SINCE",
			"STATE", "AWAY SINCE", "REASON")
		for _, b := range backends {
			t.row(b.ID, b.Group, b.Enabled, formatCapacity(b.Capacity), formatCapacity(b.BalancerCapacity), b.Peak,
				b.Reservations, formatTime(b.DrainingSince), b.State, formatTime(b.AwaySince), b.AwayReason)
		}
	})
}

func gatewayState(l minigroup.BackendLoad) string {
	switch {
	case l.State.Unfit:
		return "unfit"
	case !l.AwaySince.IsZero():
		return "away"
	default:
		return "ok"
	}
}

func formatCapacity(slots *int32) string {
	if slots == nil {
		return "unlimited"
	}
	return strconv.Itoa(int(*slots))
}
