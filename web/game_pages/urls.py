from django.urls import path

from web.game_pages import views

urlpatterns = [
    path("games/", views.games, name="games-page"),
    path("games/<int:game_id>/", views.game, name="game-page"),
    path("verify/", views.verify, name="verify-page"),
]
