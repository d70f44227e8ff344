/*
 * A model of src/Embedding.Wrapper/Native/ReadGate.cs for the model checker Spin. check.sh runs it; README.md says what is promised.
 *
 * Memory: a reader's write to its slot goes into a store buffer first (`own`) and reaches memory (`seen`) at any later moment, even
 * after later reads and before earlier writes: this is weaker than x86 and covers Arm. Only the process-wide barrier is sure to empty
 * the buffer. The state of a gate is written by interlocked operations and by changing threads that issue the barrier afterwards, so it
 * needs no buffer.
 */

#define GATES   2                /* gate 0: the life of a layer; gate 1: the memory of its parameter */
#define SLOTS   3                /* slots 0 and 1: readers; slot 2: the thread that calls to(...) */
#define DEPTH   2                /* entries of a slot */
#define NONE    GATES

#ifndef THREADS
#define THREADS 1                /* how many threads use a slot, one after the other: each ends, and the next one takes the slot */
#endif

mtype = { Open, Draining, Changing, Closed };

mtype state[GATES] = Open;

typedef Slot {
    byte own[DEPTH] = NONE;      /* as the owner wrote it */
    byte seen[DEPTH] = NONE;     /* as other threads see it */
}
Slot slot[SLOTS];

/* The promises are assertions about these three. */
byte inside[GATES];              /* uses between Enter and Dispose */
bool replacing[GATES];           /* a change runs */
bool freed[GATES];               /* Close has returned */

#ifdef ONE_ENTRY
#define AT(height) 0             /* a slot that holds one gate */
#else
#define AT(height) height
#endif

/* The store buffers: any entry reaches memory at any time. */
active proctype StoreBuffers()
{
end:
    do
    :: atomic { slot[0].seen[0] != slot[0].own[0] -> slot[0].seen[0] = slot[0].own[0] }
    :: atomic { slot[0].seen[1] != slot[0].own[1] -> slot[0].seen[1] = slot[0].own[1] }
    :: atomic { slot[1].seen[0] != slot[1].own[0] -> slot[1].seen[0] = slot[1].own[0] }
    :: atomic { slot[1].seen[1] != slot[1].own[1] -> slot[1].seen[1] = slot[1].own[1] }
    :: atomic { slot[2].seen[0] != slot[2].own[0] -> slot[2].seen[0] = slot[2].own[0] }
    :: atomic { slot[2].seen[1] != slot[2].own[1] -> slot[2].seen[1] = slot[2].own[1] }
    od
}

#ifdef NESTED_WAITS
#define PASSES(g, height) (state[g] == Open)
#else
#define PASSES(g, height) (state[g] == Open || (height > 0 && state[g] == Draining))
#endif

/* A nested reader may step back from a gate that drains. How often does not matter here. */
#define STEPS_BACK(g, height) (!PASSES(g, height) || (height > 0 && state[g] == Draining))

/* ReadGate.Enter: entered is false if the gate is closed. */
inline Enter(t, g, height, entered)
{
    do
    ::  slot[t].own[AT(height)] = g;
        if
        :: atomic { PASSES(g, height) -> inside[g]++; entered = true; assert(!replacing[g] && !freed[g]) }
           break
        :: atomic { STEPS_BACK(g, height) -> entered = (state[g] != Closed) }
           slot[t].own[AT(height)] = NONE;
           if
           :: !entered -> break
           :: entered -> (state[g] == Closed || PASSES(g, height))
           fi
        fi
    od
}

/* Reading.Dispose. */
inline Leave(t, g, height)
{
    atomic { assert(!replacing[g] && !freed[g]); inside[g]-- }
    slot[t].own[AT(height)] = NONE
}

/* Interlocked.MemoryBarrierProcessWide: each processor empties its store buffer, one after the other. */
inline Barrier(i)
{
#ifdef NO_BARRIER
    skip
#else
    i = 0;
    do
    :: i < SLOTS -> atomic { slot[i].seen[0] = slot[i].own[0]; slot[i].seen[1] = slot[i].own[1]; i++ }
    :: else -> break
    od
#endif
}

/* IsInUse: looks at one slot after the other. */
inline IsInUse(g, i, found)
{
    found = false; i = 0;
    do
    :: i < SLOTS && !found -> found = (slot[i].seen[0] == g); found = (found || slot[i].seen[1] == g); i++
    :: else -> break
    od
}

inline WaitUntilUnused(g, i, found)
{
    do
    :: IsInUse(g, i, found);
       if
       :: !found -> break
       :: found -> i--; (slot[i].seen[0] != g && slot[i].seen[1] != g)
       fi
    od
}

/* ReadGate.Change. */
inline Change(g, i, found)
{
    if
    :: atomic { state[g] == Open -> state[g] = Draining }
       do
       :: state[g] = Draining;
          WaitUntilUnused(g, i, found);
          state[g] = Changing;
          Barrier(i);
#ifdef NO_RETRY
          found = false;
#else
          IsInUse(g, i, found);
#endif
          if
          :: !found -> break
          :: found -> skip
          fi
       od;
       atomic { replacing[g] = true; assert(inside[g] == 0) }
       replacing[g] = false;
       state[g] = Open
    :: state[g] == Closed -> skip
    fi
}

/* A thread that uses one gate, or two at once, in any order, or one of them twice. */
proctype Reader(byte t)
{
    byte thread, g, h;
    bool entered;
    do
    :: thread == THREADS -> break
    :: thread < THREADS ->
       thread++;
       select(g : 0 .. 1);
       Enter(t, g, 0, entered);
       if
       :: entered ->
          if
          :: select(h : 0 .. 1);
             Enter(t, h, 1, entered);
             if
             :: entered -> Leave(t, h, 1)
             :: !entered -> skip
             fi
          :: skip
          fi;
          Leave(t, g, 0)
       :: !entered -> skip
       fi;
       /* The thread ends: its writes reach memory before another thread can see that it has ended. */
       atomic { slot[t].seen[0] = slot[t].own[0]; slot[t].seen[1] = slot[t].own[1] }
    od
}

/* Weight = ...: changes the layer, and is inside no gate. */
proctype Changer(byte g)
{
    byte i; bool found;
    Change(g, i, found)
}

/* to(...): changes the memory, inside the layer's gate. */
proctype Mover()
{
    byte i; bool found, entered;
    Enter(2, 0, 0, entered);
    if
    :: entered -> Change(1, i, found); Leave(2, 0, 0)
    :: !entered -> skip
    fi
}

/* Dispose: closes the layer's gate, and then, inside no gate, changes the memory's gate to free the parameter. */
proctype Disposer()
{
    byte i; bool found, first;
    if
    :: atomic { state[0] == Open -> state[0] = Closed; first = true }
    :: state[0] == Closed -> skip
    fi;
    Barrier(i);
    WaitUntilUnused(0, i, found);
    atomic { freed[0] = true; assert(inside[0] == 0) }
    if
    :: first -> Change(1, i, found)
    :: !first -> skip
    fi
}

init
{
    atomic {
        run Reader(0);
#ifndef ONE_READER
        run Reader(1);
#endif
#ifdef CHANGE
        run Changer(0);
#endif
#ifdef CHANGE_MEMORY
        run Changer(1);
#endif
#ifdef MOVE
        run Mover();
#endif
#ifdef DISPOSE
        run Disposer();
#endif
    }
}
