package minigroup

import "github.com/google/uuid"

// Backend is a Janus gateway on which slots can be reserved.
type Backend struct {
	ID       string
	AdminURL string
	JanusURL string
	Group    string
	// Capacity is the number of slots of the gateway. BalancerCapacity is the number up to which classes are placed on it;
	// it takes precedence. If both are nil, the number is unlimited.
	Capacity         *int32
	BalancerCapacity *int32
}

// Reservation is a number of slots on a gateway for a window of time. Its id is the id of the gateway's room.
type Reservation struct {
	ID      uuid.UUID
	ClassID uuid.UUID
	Backend Backend
	Slots   int32
	State   ReservationState
	// Doubtful says that a request to create the room was not answered and may still be executed.
	Doubtful bool
}

// ReservationState is the state of a reservation.
type ReservationState string

// The states of a reservation: pending ─► held ─► releasing ─► released. Its slots are taken until it is released.
const (
	ReservationPending   ReservationState = "pending"
	ReservationHeld      ReservationState = "held"
	ReservationReleasing ReservationState = "releasing"
	ReservationReleased  ReservationState = "released"
)

// GatewayRoom is one of our rooms as a gateway lists it.
type GatewayRoom struct {
	ID uuid.UUID
	// Slots is the maximum number of publishers in the room.
	Slots int32
}
