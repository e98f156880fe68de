# SPDX-License-Identifier: MIT
"""What Home Assistant shows, in other languages.  Pure.

MQTT discovery has no translations: Home Assistant shows the names and the states that it is told.
So a configuration may ask for another language than English, and then the names of all entities,
and the states of those that are one word out of a few, are told in that. Topics, event types and
device triggers stay as they are: automations wait for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ENGLISH = "en"

NAMES: Mapping[str, Mapping[str, str]] = {
    "de": {
        "answer": "Letzte Antwort",
        "back": "Zurück",
        "battery": "Batterie",
        "capabilities": "Fähigkeiten",
        "class": "Gruppe",
        "class_in_step": "Im Gleichtakt",
        "class_pause": "Pause für alle",
        "class_resume": "Weiter für alle",
        "class_routine": "Programm",
        "class_start": "Start für alle",
        "class_stop": "Stopp für alle",
        "connected": "Verbunden",
        "countdown": "Herunterzählen",
        "days_this_week": "Tage diese Woche",
        "due": "Heute dran",
        "event": "Ereignis der Einheit",
        "exercise": "Übung",
        "extend": "Länger halten",
        "find": "Band finden",
        "firmware": "Firmware",
        "halfway": "Zeichen zur Hälfte",
        "heart_rate": "Puls",
        "hold_time": "Haltezeit",
        "last_holds": "Letzte Halte",
        "log_level": "Protokoll",
        "last_result": "Letztes Ergebnis",
        "last_session": "Letzte Einheit",
        "lateness": "Verspätung der Zeichen",
        "minutes_this_week": "Gehalten diese Woche",
        "next_exercise": "Nächste Übung",
        "pairing": "Koppeln",
        "pause": "Pause oder weiter",
        "restart": "Neu starten",
        "routine": "Programm",
        "running": "Einheit läuft",
        "session": "Einheit",
        "session_ends": "Einheit endet",
        "side": "Seite",
        "signal": "Signal",
        "skip": "Überspringen",
        "start": "Start",
        "step": "Schritt",
        "step_ends": "Schritt endet",
        "stop": "Stopp",
        "streak": "Serie",
        "strength": "Stärke",
        "version": "Version",
    },
}
"""The names of entities by the keys of their rows in `discovery`."""

LANGUAGES = (ENGLISH, *NAMES)
"""Those in which entities can be named."""

STATES: Mapping[str, Mapping[str, str]] = {
    "de": {
        "idle": "bereit",
        "playing": "läuft",
        "waiting": "wartet",
        "paused": "Pause",
        "ended": "vorbei",
        "ready": "bereit machen",
        "hold": "halten",
        "switch": "Seite wechseln",
        "rest": "ruhen",
        "done": "fertig",
        "unknown": "unbekannt",
        "nothing": "nichts",
        "left": "links",
        "right": "rechts",
        "both": "beide Seiten",
        "finished": "zu Ende",
        "stopped": "beendet",
        "failed": "abgebrochen",
    },
    "fr": {
        "idle": "prêt",
        "playing": "en cours",
        "waiting": "attend",
        "paused": "en pause",
        "ended": "terminé",
        "ready": "en place",
        "hold": "tenir",
        "switch": "changer de côté",
        "rest": "repos",
        "done": "fini",
        "unknown": "inconnu",
        "nothing": "rien",
        "left": "gauche",
        "right": "droite",
        "both": "les deux côtés",
        "finished": "terminée",
        "stopped": "arrêtée",
        "failed": "interrompue",
    },
    "es": {
        "idle": "listo",
        "playing": "en curso",
        "waiting": "espera",
        "paused": "en pausa",
        "ended": "terminado",
        "ready": "prepárate",
        "hold": "mantener",
        "switch": "cambiar de lado",
        "rest": "descanso",
        "done": "hecho",
        "unknown": "desconocido",
        "nothing": "nada",
        "left": "izquierda",
        "right": "derecha",
        "both": "ambos lados",
        "finished": "terminada",
        "stopped": "detenida",
        "failed": "fallida",
    },
}
"""The words of states."""

PHRASES: Mapping[str, Mapping[str, str]] = {
    "en": {
        "next": "Next",
        "until": "until",
        "press": "press to go on",
        "heart": "until the heart is calm",
        "switch": "switch sides",
        "ready": "get ready",
        "away": "Out of reach. What plays on the band goes on there; a long press on it ends it.",
        "begins": "{} begins.",
        "no_answer": "The band did not answer.",
        "no_such_routine": "There is no routine {}.",
        "already_playing": "A session is going on already.",
        "unreachable": "The band is out of reach.",
        "too_old": "That came too late. Do the clocks agree?",
        "too_many": "That was asked too often.",
        "busy": "The band is busy.",
        "nothing_due": "Nothing is due.",
        "refused": "That did not work.",
    },
    "de": {
        "next": "Danach",
        "until": "bis",
        "press": "weiter mit einem Druck",
        "heart": "bis der Puls ruhig ist",
        "away": (
            "Nicht erreichbar. Was auf dem Band läuft, geht dort weiter; "
            "ein langer Druck beendet es."
        ),
        "begins": "{} beginnt.",
        "no_answer": "Das Band hat nicht geantwortet.",
        "no_such_routine": "Es gibt kein Programm {}.",
        "already_playing": "Es läuft schon eine Einheit.",
        "unreachable": "Das Band ist nicht erreichbar.",
        "too_old": "Das kam zu spät. Stimmen die Uhren?",
        "too_many": "Das war zu oft.",
        "busy": "Das Band ist beschäftigt.",
        "nothing_due": "Es ist nichts dran.",
        "refused": "Das ging nicht.",
    },
    "fr": {
        "next": "Ensuite",
        "until": "jusqu'à",
        "press": "appuyer pour continuer",
        "heart": "jusqu'à ce que le cœur soit calme",
        "away": ("Hors de portée. Ce qui joue sur le bracelet continue ; un appui long y met fin."),
        "begins": "{} commence.",
        "no_answer": "Le bracelet n'a pas répondu.",
        "no_such_routine": "Il n'y a pas de programme {}.",
        "already_playing": "Une séance est déjà en cours.",
        "unreachable": "Le bracelet est hors de portée.",
        "too_old": "C'est arrivé trop tard. Les horloges sont-elles d'accord ?",
        "too_many": "C'était trop souvent.",
        "busy": "Le bracelet est occupé.",
        "nothing_due": "Rien n'est prévu.",
        "refused": "Cela n'a pas marché.",
    },
    "es": {
        "next": "Después",
        "until": "hasta",
        "press": "pulsa para seguir",
        "heart": "hasta que el corazón esté en calma",
        "away": (
            "Fuera de alcance. Lo que está en curso en la pulsera sigue allí; "
            "una pulsación larga lo termina."
        ),
        "begins": "{} empieza.",
        "no_answer": "La pulsera no ha respondido.",
        "no_such_routine": "No hay ninguna rutina {}.",
        "already_playing": "Ya hay una sesión en curso.",
        "unreachable": "La pulsera está fuera de alcance.",
        "too_old": "Ha llegado demasiado tarde. ¿Coinciden los relojes?",
        "too_many": "Se ha pedido demasiadas veces.",
        "busy": "La pulsera está ocupada.",
        "nothing_due": "No toca nada.",
        "refused": "No ha funcionado.",
    },
}
"""What the dashboard and the blueprints say besides; the last ones by the reason of a refusal."""

LABELS: Mapping[str, Mapping[str, str]] = {
    "de": {
        "Back": "Zurück",
        "Battery": "Batterie",
        "Class": "Gruppe",
        "Countdown": "Zählen",
        "Days this week": "Tage der Woche",
        "Due today": "Heute dran",
        "Find it": "Finden",
        "Firmware": "Firmware",
        "Go on": "Weiter",
        "Halfway cue": "Zur Hälfte",
        "Heart rate": "Puls",
        "Held": "Gehalten",
        "Held this week": "Gehalten",
        "Hold time": "Haltezeit",
        "How it goes": "Wie es läuft",
        "In step": "Im Gleichtakt",
        "Its title; without one, the routine that is set.": (
            "Sein Titel; ohne ihn das Programm, das eingestellt ist."
        ),
        "Last session": "Letzte Einheit",
        "Link": "Verbindung",
        "Now": "Jetzt",
        "Pause": "Pause",
        "Pause or resume": "Pause, weiter",
        "Play": "Los",
        "Routine": "Programm",
        "Skip": "Überspringen",
        "Start": "Start",
        "Start it": "Damit beginnen",
        "Stop": "Stopp",
        "Streak": "Serie",
        "Strength": "Stärke",
        "The band": "Das Band",
        "The week": "Die Woche",
        "This step": "Dieser Schritt",
    },
}
"""The texts of the dashboard and the package, by the English ones."""


def name_of(language: str, key: str, english: str) -> str:
    """Return the name of an entity."""
    return NAMES.get(language, {}).get(key, english)


def label_of(language: str, english: str) -> str:
    """Return a text of the dashboard or the package."""
    return LABELS.get(language, {}).get(english, english)


def state_of(language: str, word: str) -> str:
    """Return the word for a state, which is itself where there is none."""
    return STATES.get(language, {}).get(word, word)
